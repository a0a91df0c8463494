import { effect } from '@preact/signals';
import { render } from 'preact';

import { App } from './app';
import { t } from './i18n';
import { mapError, plannerMap } from './map/bind';
import { followAddress } from './state/actions';
import { lang, screen, theme } from './state/store';
import './styles/fonts.css';
import './styles/tokens.css';
import './styles/base.css';
import './styles/layout.css';
import './styles/gaps.css';
import './styles/layers.css';
import './styles/cards.css';
import './styles/whatif.css';
import { isTestMode } from './test-hook';
import { loadFallbackFonts } from './ui/fonts';

const errors: string[] = [];
let settle: () => void = () => undefined;
const ready = new Promise<void>((resolve) => (settle = resolve));
window.__onemap = { ready, map: null, state: () => screen.peek(), errors };

effect(() => {
  document.documentElement.lang = lang.value === 'zh' ? 'zh-CN' : 'en';
  document.documentElement.dataset.theme = theme.value;
  document.title = lang.value === 'zh' ? 'OneMap · 一张图' : 'OneMap';
  document.querySelector('meta[name="theme-color"]')?.setAttribute('content', theme.value === 'dark' ? '#0d151f' : '#ffffff');
});
effect(() => {
  if (mapError.value !== null) errors.push(t('error.map', { what: mapError.value }));
});
effect(() => {
  const map = plannerMap.value;
  window.__onemap.map = map?.map ?? null;
  if (map) void map.ready.then(settle);
});

if (isTestMode) document.documentElement.classList.add('is-still');
followAddress();
const root = document.getElementById('app');
await loadFallbackFonts();
if (root) render(<App />, root);
