import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

import { t } from './i18n';
import { freePadding, isMapReady, plannerMap } from './map/bind';
import { Card } from './panels/card';
import { GapPanel } from './panels/gap-panel';
import { Header } from './panels/header';
import { LayerTree } from './panels/layer-tree';
import { Legend } from './panels/legend';
import { MapTools } from './panels/map-tools';
import { canDrawMap, MapView, NoMap } from './panels/map-view';
import { TableDialog } from './panels/table-view';
import { pressKey } from './panels/whatif-keys';
import { WhatIfPanel } from './panels/whatif-panel';
import { change, closeCard } from './state/actions';
import { catalogue, isCardOpen, isCircleTool, isNarrow, NARROW, screen, sheet } from './state/store';
import { resume } from './state/order';
import { TABS, type Tab } from './state/url';
import { Icon } from './ui/icon';
import { Fault } from './ui/parts';

const hasMap = canDrawMap();
const TAB_ICONS: Record<Tab, string> = { gaps: 'chart-simple', whatif: 'flask', layers: 'layer-group' };
const tabs = TABS.filter((tab) => hasMap || tab !== 'whatif');

/** A scenario takes every click on the map, so no card stays open beside it. */
const showTab = (tab: Tab): void => change({ tab, ...(tab === 'whatif' ? { selection: null, circle: null } : {}) });

function Tabs(): JSX.Element {
  const { tab } = screen.value;
  const onKey = (event: KeyboardEvent): void => {
    if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
    const by = event.key === 'ArrowRight' ? 1 : tabs.length - 1;
    const next = tabs[(tabs.indexOf(tab) + by) % tabs.length] ?? tab;
    showTab(next);
    document.getElementById(`tab-${next}`)?.focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label={t('tab.label')} onKeyDown={onKey}>
      {tabs.map((id) => (
        <button key={id} id={`tab-${id}`} type="button" role="tab" aria-selected={tab === id} aria-controls="tab-panel" tabIndex={tab === id ? 0 : -1} onClick={() => showTab(id)}>
          <Icon name={TAB_ICONS[id]} size={13} /> {t(`tab.${id}`)}
        </button>
      ))}
    </div>
  );
}

/** The grip of a phone's bottom sheet: drag, tap, or arrow keys. */
function SheetGrip(): JSX.Element {
  const start = useRef<number | null>(null);
  const heights = ['peek', 'half', 'full'] as const;
  const step = (by: number): void => {
    sheet.value = heights[Math.min(Math.max(heights.indexOf(sheet.value) + by, 0), heights.length - 1)] ?? 'half';
  };
  const onEnd = (event: PointerEvent): void => {
    if (start.current === null) return;
    const moved = event.clientY - start.current;
    start.current = null;
    if (Math.abs(moved) > 24) step(moved < 0 ? 1 : -1);
    else sheet.value = sheet.value === 'peek' ? 'half' : sheet.value === 'half' ? 'full' : 'peek';
  };
  return (
    <button type="button" class="grip" aria-label={t('sheet.handle')} aria-expanded={sheet.value !== 'peek'}
      onPointerDown={(event) => { start.current = event.clientY; event.currentTarget.setPointerCapture(event.pointerId); }} onPointerUp={onEnd}
      onKeyDown={(event) => { if (event.key === 'ArrowUp') step(1); else if (event.key === 'ArrowDown') step(-1); }}>
      <span />
    </button>
  );
}

function Panel(): JSX.Element {
  const { tab } = screen.value;
  const isCovered = isNarrow.value && isCardOpen.value;
  const remote = catalogue.remote.value;
  return (
    <aside class="panel" id="panel" tabIndex={-1} hidden={isCovered} aria-label={t('tab.label')}>
      <Tabs />
      <div class="panel-body" id="tab-panel" role="tabpanel" aria-labelledby={`tab-${tab}`}>
        {remote.state === 'error' ? <Fault error={remote.error} onRetry={catalogue.retry} /> : tab === 'gaps' ? <GapPanel /> : tab === 'whatif' && hasMap ? <WhatIfPanel /> : <LayerTree />}
      </div>
    </aside>
  );
}

/** Tell the map which part of it the panels cover. */
function usePadding(): void {
  const map = plannerMap.value;
  const padding = freePadding();
  useEffect(() => map?.setPadding(padding), [map, padding]);
}

function useKeysAndWidth(): void {
  useEffect(() => {
    const query = matchMedia(NARROW);
    const onWidth = (): void => { isNarrow.value = query.matches; };
    const onKey = (event: KeyboardEvent): void => {
      if (pressKey(event)) { event.preventDefault(); return; }
      if (event.key === 'Escape' && !event.defaultPrevented) {
        if (isCircleTool.value) isCircleTool.value = false;
        else closeCard();
      }
      if (event.key === '/' && !(event.target instanceof HTMLInputElement)) {
        event.preventDefault();
        document.getElementById('search')?.focus();
      }
    };
    query.addEventListener('change', onWidth);
    addEventListener('keydown', onKey);
    return () => {
      query.removeEventListener('change', onWidth);
      removeEventListener('keydown', onKey);
    };
  }, []);
}

export function App(): JSX.Element {
  useKeysAndWidth();
  usePadding();
  useEffect(() => void resume(), []);
  const isOpen = isCardOpen.value;
  return (
    <div class={`app ${isOpen ? 'has-card' : ''} sheet-${sheet.value} ${isMapReady.value ? 'is-ready' : ''}`}>
      <Header />
      <main class="stage">
        {hasMap ? <MapView /> : <NoMap />}
        <div class="side">
          {isNarrow.value && <SheetGrip />}
          <Panel />
          {isNarrow.value && isOpen && <Card />}
        </div>
        {hasMap && <Legend />}
        {hasMap && <MapTools />}
        {!isNarrow.value && <Card />}
        {hasMap && <TableDialog />}
      </main>
    </div>
  );
}
