/** Icon outlines from Font Awesome Free (icons CC BY 4.0), read from the npm package when the site is built. */
const FILES: Record<string, string> = import.meta.glob(
  [
    '../../node_modules/@fortawesome/fontawesome-free/svgs/solid/{graduation-cap,kit-medical,person-cane,masks-theater,basketball,landmark,bag-shopping,bus,faucet-drip,shield-halved,tree,briefcase,location-dot}.svg',
    '../../node_modules/@fortawesome/fontawesome-free/svgs/solid/{magnifying-glass,layer-group,chart-simple,xmark,moon,sun,plus,minus,compass,cube,house,circle-question,download,chevron-down,chevron-right,clock,table,bullseye,triangle-exclamation,check,person-walking,ruler,expand,question,copy,arrows-rotate,rotate-left,rotate-right,trash,floppy-disk,flask,ban,location-crosshairs,up-down-left-right,road,door-open,door-closed,route,play}.svg',
  ],
  { query: '?raw', import: 'default', eager: true },
);

export interface Shape {
  width: number;
  height: number;
  path: string;
}

function readShape(svg: string): Shape {
  const [, width = '512', height = '512'] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg) ?? [];
  return { width: Number(width), height: Number(height), path: / d="([^"]+)"/.exec(svg)?.[1] ?? '' };
}

const SHAPES = new Map(
  Object.entries(FILES).map(([file, svg]) => [file.replace(/^.*\/|\.svg$/g, ''), readShape(svg)]),
);

export const shapeOf = (name: string): Shape | null => SHAPES.get(name) ?? null;

const CATEGORY_SHAPES: Record<string, string> = {
  education: 'graduation-cap', medical: 'kit-medical', elderly: 'person-cane', culture: 'masks-theater', sport: 'basketball', administration: 'landmark',
  commerce: 'bag-shopping', transport: 'bus', municipal: 'faucet-drip', safety: 'shield-halved', green: 'tree', employment: 'briefcase',
};

export const categoryShapeName = (category: string): string => CATEGORY_SHAPES[category] ?? 'location-dot';
