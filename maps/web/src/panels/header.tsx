import type { JSX } from 'preact';

import { t } from '../i18n';
import { chooseLang, chooseTheme } from '../state/actions';
import { lang, theme } from '../state/store';
import { IconButton } from '../ui/parts';
import { Freshness } from './freshness';
import { SearchBox } from './search-box';

function Mark(): JSX.Element {
  return (
    <svg class="mark" viewBox="0 0 32 32" width="30" height="30" aria-hidden="true">
      <circle cx="16" cy="16" r="14" fill="none" stroke="currentColor" stroke-width="2" opacity="0.28" />
      <circle cx="16" cy="16" r="9" fill="none" stroke="currentColor" stroke-width="2.2" opacity="0.6" />
      <circle cx="16" cy="16" r="4" fill="currentColor" />
    </svg>
  );
}

export function Header(): JSX.Element {
  const isDark = theme.value === 'dark';
  const other = lang.value === 'zh' ? 'en' : 'zh';
  return (
    <header class="header">
      <a class="skip" href="#panel" onClick={(event) => {
        event.preventDefault();
        document.getElementById('panel')?.focus();
      }}>
        {t('app.skipToPanel')}
      </a>
      <div class="brand">
        <Mark />
        <div>
          <h1>{t('app.title')}</h1>
          <p>{t('app.subtitle')}</p>
        </div>
      </div>
      <SearchBox />
      <div class="header-end">
        <Freshness />
        <button type="button" class="lang-button" lang={other === 'zh' ? 'zh-CN' : 'en'} aria-label={t('lang.switch')} title={t('lang.switch')} onClick={() => chooseLang(other)}>
          {other === 'zh' ? '中文' : 'EN'}
        </button>
        <IconButton icon={isDark ? 'sun' : 'moon'} label={isDark ? t('theme.toLight') : t('theme.toDark')} onClick={() => chooseTheme(isDark ? 'light' : 'dark')} />
      </div>
    </header>
  );
}
