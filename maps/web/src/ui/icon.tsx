import type { JSX } from 'preact';

import { shapeOf } from './icon-shapes';

/** An icon is decoration: whatever it says is also in text or in the label of its button. */
export function Icon({ name, size = 16 }: { name: string; size?: number }): JSX.Element | null {
  const shape = shapeOf(name);
  if (!shape) return null;
  return (
    <svg class="icon" viewBox={`0 0 ${shape.width} ${shape.height}`} width={size} height={size} aria-hidden="true" focusable="false">
      <path d={shape.path} fill="currentColor" />
    </svg>
  );
}
