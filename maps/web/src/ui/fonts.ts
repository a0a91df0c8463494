/** Fonts for the map's labels, which are drawn on a canvas and so must be there before the first glyph. */

const SAMPLE_PX = 24;

function drawGlyph(glyph: string): string {
  const canvas = document.createElement('canvas');
  canvas.width = SAMPLE_PX;
  canvas.height = SAMPLE_PX;
  const context = canvas.getContext('2d');
  if (!context) return '';
  context.font = `${SAMPLE_PX - 4}px sans-serif`;
  context.textBaseline = 'top';
  context.fillText(glyph, 0, 0);
  return context.getImageData(0, 0, SAMPLE_PX, SAMPLE_PX).data.join();
}

/** Two characters drawn alike are two empty boxes: the system has no Chinese font. */
const hasChineseFont = (): boolean => drawGlyph('国') !== drawGlyph('街');

/** Load Inter always, and our own Noto Sans SC only where the system cannot write Chinese. */
export async function loadFallbackFonts(): Promise<void> {
  const needsChinese = !hasChineseFont();
  const faces = [...document.fonts].filter((face) => {
    const family = face.family.replace(/["']/g, '');
    return family.startsWith('OneMap') || (needsChinese && family === 'Noto Sans SC Variable');
  });
  await Promise.allSettled(faces.map((face) => face.load()));
}
