/** The screen's state as the part of the address behind `#`: readable, stable, shareable. */

export type Lang = 'zh' | 'en';
export type Theme = 'light' | 'dark';
export type Tab = 'gaps' | 'whatif' | 'layers';
export const TABS: readonly Tab[] = ['gaps', 'whatif', 'layers'];
export type SortKey = 'gap' | 'share' | 'people' | 'name';

export interface View {
  lon: number;
  lat: number;
  zoom: number;
  bearing: number;
  pitch: number;
}

export interface Selection {
  layer: string;
  id: string;
}

export interface Place {
  lon: number;
  lat: number;
}

export interface LayerState {
  visible?: boolean;
  opacity?: number;
}

export interface UrlState {
  view: View | null;
  lang: Lang | null;
  theme: Theme | null;
  tab: Tab;
  run: string;
  type: string | null;
  profile: string;
  level: string;
  everyone: boolean;
  sort: SortKey;
  area: string | null;
  selection: Selection | null;
  circle: Place | null;
  layers: Readonly<Record<string, LayerState>>;
}

export const DEFAULTS: UrlState = {
  view: null,
  lang: null,
  theme: null,
  tab: 'gaps',
  run: 'latest',
  type: null,
  profile: 'adult',
  level: '',
  everyone: false,
  sort: 'gap',
  area: null,
  selection: null,
  circle: null,
  layers: {},
};

const isOneOf = <T extends string>(values: readonly T[], text: string | null): text is T =>
  text !== null && (values as readonly string[]).includes(text);

function readNumbers(text: string | null, least: number): number[] | null {
  if (text === null || text === '') return null;
  const numbers = text.split(',').map(Number);
  return numbers.length >= least && numbers.every(Number.isFinite) ? numbers : null;
}

function readPlace(text: string | null): Place | null {
  const [lon, lat] = readNumbers(text, 2) ?? [];
  if (lon === undefined || lat === undefined || Math.abs(lon) > 180 || Math.abs(lat) > 85.06) return null;
  return { lon, lat };
}

function readView(text: string | null): View | null {
  const place = readPlace(text);
  const [, , zoom, bearing = 0, pitch = 0] = readNumbers(text, 3) ?? [];
  if (!place || zoom === undefined || zoom < 0 || zoom > 24) return null;
  return { ...place, zoom, bearing, pitch: Math.min(Math.max(pitch, 0), 60) };
}

function readSelection(text: string | null): Selection | null {
  const slash = text?.indexOf('/') ?? -1;
  if (text === null || slash < 1 || slash === text.length - 1) return null;
  return { layer: text.slice(0, slash), id: text.slice(slash + 1) };
}

/** `buildings:0.5,-streets,incidents` — shown (with its opacity) or, with a minus, hidden. */
function readLayers(text: string | null): Record<string, LayerState> {
  const layers: Record<string, LayerState> = {};
  for (const part of (text ?? '').split(',')) {
    const match = /^(-?)(\w[\w.-]*?)(?::(\d(?:\.\d+)?))?$/.exec(part);
    if (!match?.[2]) continue;
    const opacity = match[3] === undefined ? undefined : Math.min(Number(match[3]), 1);
    layers[match[2]] = { visible: match[1] !== '-', ...(opacity === undefined ? {} : { opacity }) };
  }
  return layers;
}

/** Read the address; what is missing or malformed falls back to the default, never to an error. */
export function readHash(hash: string): UrlState {
  const fields = new URLSearchParams(hash.replace(/^#/, ''));
  const get = (name: string): string | null => fields.get(name);
  const lang = get('lang');
  const theme = get('theme');
  const sort = get('sort');
  const tab = get('tab');
  return {
    view: readView(get('map')),
    lang: isOneOf(['zh', 'en'] as const, lang) ? lang : null,
    theme: isOneOf(['light', 'dark'] as const, theme) ? theme : null,
    tab: isOneOf(TABS, tab) ? tab : DEFAULTS.tab,
    run: get('run') ?? DEFAULTS.run,
    type: get('type'),
    profile: get('profile') ?? DEFAULTS.profile,
    level: get('level') ?? DEFAULTS.level,
    everyone: get('who') === 'all',
    sort: isOneOf(['gap', 'share', 'people', 'name'] as const, sort) ? sort : DEFAULTS.sort,
    area: get('area'),
    selection: readSelection(get('sel')),
    circle: readPlace(get('circle')),
    layers: readLayers(get('layers')),
  };
}

const trim = (value: number, digits: number): string => String(Number(value.toFixed(digits)));

function writeView(view: View): string {
  const parts = [trim(view.lon, 6), trim(view.lat, 6), trim(view.zoom, 2)];
  if (view.bearing !== 0 || view.pitch !== 0) parts.push(trim(view.bearing, 1), trim(view.pitch, 1));
  return parts.join(',');
}

function writeLayers(layers: Readonly<Record<string, LayerState>>): string {
  return Object.entries(layers)
    .map(([id, state]) => {
      const opacity = state.opacity === undefined || state.opacity === 1 ? '' : `:${trim(state.opacity, 2)}`;
      return `${state.visible === false ? '-' : ''}${id}${opacity}`;
    })
    .join(',');
}

/** Write only what differs from the default, so that addresses stay short. */
export function writeHash(state: UrlState): string {
  const fields: [string, string | null][] = [
    ['map', state.view && writeView(state.view)],
    ['lang', state.lang],
    ['theme', state.theme],
    ['tab', state.tab === DEFAULTS.tab ? null : state.tab],
    ['run', state.run === DEFAULTS.run ? null : state.run],
    ['type', state.type],
    ['profile', state.profile === DEFAULTS.profile ? null : state.profile],
    ['level', state.level || null],
    ['who', state.everyone ? 'all' : null],
    ['sort', state.sort === DEFAULTS.sort ? null : state.sort],
    ['area', state.area],
    ['sel', state.selection && `${state.selection.layer}/${state.selection.id}`],
    ['circle', state.circle && `${trim(state.circle.lon, 6)},${trim(state.circle.lat, 6)}`],
    ['layers', writeLayers(state.layers) || null],
  ];
  return (
    '#' +
    fields
      .filter((field): field is [string, string] => field[1] !== null)
      .map(([name, value]) => `${name}=${encodeURIComponent(value).replace(/%2C/g, ',').replace(/%2F/g, '/').replace(/%3A/g, ':')}`)
      .join('&')
  );
}
