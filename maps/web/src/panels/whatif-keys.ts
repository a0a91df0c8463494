/** Keys of the what-if panel that work wherever the focus stands, but in a field or on a button. */
import { isPlacing, isWhatIf, stepBack, stepForward } from '../state/whatif';
import { dropPoint, endPath, giveUpPath, isDrawing, path } from '../state/whatif-ground';

const isIn = (target: EventTarget | null, selector: string): boolean => target instanceof Element && target.closest(selector) !== null;

function onDrawing({ key, target }: KeyboardEvent): boolean {
  if (!isDrawing.peek() || path.peek().length === 0) return false;
  if (key === 'Escape') giveUpPath();
  else if (key === 'Enter' && !isIn(target, 'button, a, summary')) endPath();
  else if (key === 'Backspace' || key === 'Delete') dropPoint();
  else return false;
  return true;
}

/** Ctrl+Z takes back the last point of a path, else the last step. */
function onSteps({ key, ctrlKey, metaKey, shiftKey }: KeyboardEvent): boolean {
  if (!ctrlKey && !metaKey) return false;
  const letter = key.toLowerCase();
  if (letter === 'y' || (letter === 'z' && shiftKey)) stepForward();
  else if (letter === 'z') {
    if (path.peek().length > 0) dropPoint();
    else stepBack();
  } else return false;
  return true;
}

/** Do what a key says; true when it was for the scenario. */
export function pressKey(event: KeyboardEvent): boolean {
  if (!isWhatIf.peek()) return false;
  if (event.key === 'Escape' && isPlacing.peek()) {
    isPlacing.value = false;
    return true;
  }
  if (isIn(event.target, 'input:not([type="checkbox"], [type="radio"]), select, textarea') && event.key !== 'Escape') return false;
  return onDrawing(event) || onSteps(event);
}
