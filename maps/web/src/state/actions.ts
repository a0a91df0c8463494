/** What a person can do. Each action writes the screen state and the address; nothing else does. */
import { batch } from '@preact/signals';

import { isCardOpen, isCircleTool, isNarrow, screen, sheet } from './store';
import { readHash, writeHash, type Lang, type LayerState, type Place, type Selection, type Theme, type UrlState, type View } from './url';

let lastWritten = '';

/** Merge a change into the screen state. A step worth going back to makes a history entry. */
export function change(patch: Partial<UrlState>, { isStep = true }: { isStep?: boolean } = {}): void {
  const next = { ...screen.peek(), ...patch };
  const hash = writeHash(next);
  screen.value = next;
  if (hash === lastWritten) return;
  lastWritten = hash;
  if (isStep) history.pushState(null, '', hash);
  else history.replaceState(null, '', hash);
}

/** Follow the back and forward buttons and addresses typed by hand. */
export function followAddress(): () => void {
  const onChange = (): void => {
    if (location.hash === lastWritten) return;
    lastWritten = location.hash;
    screen.value = readHash(location.hash);
  };
  lastWritten = location.hash;
  addEventListener('popstate', onChange);
  addEventListener('hashchange', onChange);
  return () => {
    removeEventListener('popstate', onChange);
    removeEventListener('hashchange', onChange);
  };
}

function remember(name: string, value: string): void {
  try {
    localStorage.setItem(`onemap.${name}`, value);
  } catch {
    // storage is switched off: the address still carries the choice
  }
}

export function chooseLang(lang: Lang): void {
  remember('lang', lang);
  change({ lang });
}

export function chooseTheme(theme: Theme): void {
  remember('theme', theme);
  change({ theme });
}

export const moveView = (view: View): void => change({ view }, { isStep: false });

export function select(selection: Selection | null): void {
  batch(() => {
    change({ selection, circle: null });
    if (selection && isNarrow.peek()) sheet.value = 'half';
  });
}

export function drawCircle(circle: Place): void {
  batch(() => {
    isCircleTool.value = false;
    change({ circle, selection: null });
    if (isNarrow.peek()) sheet.value = 'half';
  });
}

export function closeCard(): void {
  if (isCardOpen.peek()) change({ selection: null, circle: null, area: null });
}

export function setLayer(id: string, state: LayerState, { isStep = true }: { isStep?: boolean } = {}): void {
  const { layers } = screen.peek();
  change({ layers: { ...layers, [id]: { ...layers[id], ...state } } }, { isStep });
}
