/** No unit test talks to a server: the store's first questions stay unanswered. */
import { vi } from 'vitest';

vi.stubGlobal('fetch', () => new Promise(() => undefined));
