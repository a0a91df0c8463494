/** Map symbols drawn on a canvas: a disc in the category's colour with its pictogram. */
import { categoryShapeName, shapeOf } from '../ui/icon-shapes';
import type { Palette } from './palette';

export const ICON_PREFIX = 'category-';
const SIZE = 28;
export const PIXEL_RATIO = 2;

/** @returns the picture, or null when `id` names none of ours */
export function drawCategoryIcon(id: string, colours: Palette): ImageData | null {
  if (!id.startsWith(ICON_PREFIX)) return null;
  const category = id.slice(ICON_PREFIX.length);
  const pixels = SIZE * PIXEL_RATIO;
  const canvas = document.createElement('canvas');
  canvas.width = pixels;
  canvas.height = pixels;
  const context = canvas.getContext('2d');
  const shape = shapeOf(categoryShapeName(category));
  if (!context || !shape) return null;
  const middle = pixels / 2;
  const colour = colours.category[category] ?? colours.text;
  context.beginPath();
  context.arc(middle, middle, middle - 3, 0, 2 * Math.PI);
  context.fillStyle = colour;
  context.shadowColor = 'rgba(0, 0, 0, 0.35)';
  context.shadowBlur = 3;
  context.fill();
  context.shadowColor = 'transparent';
  context.lineWidth = 3;
  context.strokeStyle = colours.disc;
  context.stroke();
  const scale = (pixels * 0.46) / Math.max(shape.width, shape.height);
  context.translate(middle - (shape.width * scale) / 2, middle - (shape.height * scale) / 2);
  context.scale(scale, scale);
  context.fillStyle = colours.disc;
  context.fill(new Path2D(shape.path));
  return context.getImageData(0, 0, pixels, pixels);
}
