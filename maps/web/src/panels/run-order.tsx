import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

import type { Job, RunDetail } from '../api/types';
import { profileName, t } from '../i18n';
import { areaName } from '../map/bind';
import { cancel, ended, isLost, isOrdering, job, order, orderFault, requestLike } from '../state/order';
import { catalogueValue, lang, runValue } from '../state/store';
import { Icon } from '../ui/icon';
import { Fault, IconButton } from '../ui/parts';

/** What a job says it does, in the reader's language. */
function stepOf({ state, message }: Job): string {
  const walking = /^walking (\d+) of (\d+) types$/.exec(message);
  if (state === 'queued') return t('order.queued');
  if (walking) return t('order.walking', { done: walking[1] ?? '', all: walking[2] ?? '' });
  const key = { linking: 'order.linking', reading: 'order.reading', storing: 'order.storing' }[message.split(' ')[0] ?? ''];
  return key === undefined ? message : t(key as 'order.linking');
}

function Progress({ now }: { now: Job }): JSX.Element {
  const share = Math.round(now.progress * 100);
  return (
    <div class="job" data-testid="job">
      <p class="job-line">
        <strong>{t(now.state === 'queued' ? 'order.queued' : 'order.running')}</strong>
        <span>{share} %</span>
        <button type="button" class="text-button" onClick={() => void cancel()} data-testid="job-cancel"><Icon name="xmark" size={12} /> {t('order.cancel')}</button>
      </p>
      <div class="meter" role="progressbar" aria-label={t('order.running')} aria-valuemin={0} aria-valuemax={100} aria-valuenow={share}><span style={{ width: `${share}%` }} /></div>
      <p class="muted" role="status">{isLost.value ? t('order.lost') : now.state === 'queued' ? '' : stepOf(now)}</p>
    </div>
  );
}

/** What the new run takes over from the one on show, in words. */
function sameAs(shown: RunDetail | null): string {
  const { types = [], minutes = null, area = null } = shown?.request ?? {};
  return [
    ...(types.length > 0 ? [t('order.types', { n: types.length })] : []),
    ...(minutes === null ? [] : [t('order.minutes', { n: minutes })]),
    ...(area === null ? [] : [t('order.area', { area: areaName(area) ?? area })]),
  ].join(lang.value === 'zh' ? '、' : ', ');
}

function OrderForm({ shown, onClose }: { shown: RunDetail | null; onClose: () => void }): JSX.Element {
  const profiles = useSignal<readonly string[]>(shown?.request?.profiles ?? shown?.profiles ?? ['adult']);
  const at = useSignal('');
  const name = useSignal('');
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => form.current?.querySelector('input')?.focus(), []);
  const same = sameAs(shown);
  const onSubmit = (event: Event): void => {
    event.preventDefault();
    void order(requestLike(shown, { profiles: profiles.value, at: at.value, name: name.value.trim() })).then((isTaken) => { if (isTaken) onClose(); });
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    onClose();
  };
  const toggle = (code: string, isOn: boolean): void => { profiles.value = isOn ? [...profiles.value, code] : profiles.value.filter((one) => one !== code); };
  return (
    <form class="order" ref={form} onSubmit={onSubmit} onKeyDown={onKey} aria-label={t('order.title')}>
      <div class="order-head"><h3>{t('order.title')}</h3><IconButton icon="xmark" label={t('action.close')} onClick={onClose} /></div>
      <fieldset class="order-profiles">
        <legend class="field-label">{t('order.profiles')}</legend>
        {(catalogueValue.value?.profiles ?? []).map((profile) => (
          <label key={profile.code} class="check small"><input type="checkbox" checked={profiles.value.includes(profile.code)} onChange={(event) => toggle(profile.code, event.currentTarget.checked)} /> {profileName(profile)}</label>
        ))}
      </fieldset>
      <div class="order-fields">
        <div class="field"><label for="order-at" title={t('order.atHint')}>{t('order.at')}</label><input id="order-at" type="datetime-local" value={at.value} onInput={(event) => (at.value = event.currentTarget.value)} /></div>
        <div class="field"><label for="order-name">{t('order.name')}</label><input id="order-name" type="text" maxLength={200} value={name.value} onInput={(event) => (name.value = event.currentTarget.value)} /></div>
      </div>
      <p class="muted">{t('order.atHint')}{same !== '' && ` ${t('order.same', { what: same })}`}</p>
      <button type="submit" class="button is-main" disabled={isOrdering.value || profiles.value.length === 0} data-testid="order-start"><Icon name="play" size={12} /> {t('order.start')}</button>
    </form>
  );
}

/** Orders a run, tells how far it is, and how it ended; `beside` stands next to the button. */
export function RunOrder({ beside = null }: { beside?: JSX.Element | null }): JSX.Element {
  const isOpen = useSignal(false);
  const now = job.value;
  const shown = runValue.value;
  const close = (): void => {
    isOpen.value = false;
    document.getElementById('order-open')?.focus();
  };
  return (
    <>
      <div class="run-line">
        {beside}
        {now === null && (
          <button id="order-open" type="button" class="button" aria-expanded={isOpen.value} onClick={() => (isOpen.value = !isOpen.value)} data-testid="order-open">
            <Icon name="play" size={12} /> {t(shown ? 'order.open' : 'order.first')}
          </button>
        )}
      </div>
      {now === null && isOpen.value && <OrderForm shown={shown} onClose={close} />}
      {now !== null && <Progress now={now} />}
      {orderFault.value !== null && <Fault error={orderFault.value} title={t('order.failed')} onClose={() => (orderFault.value = null)} />}
      {ended.value !== null && (
        <p class="job-end" role="status" data-testid="job-end">
          <Icon name={ended.value === 'done' ? 'check' : 'ban'} size={12} /> <span>{t(`order.${ended.value}`)}</span>
          <IconButton icon="xmark" label={t('action.close')} onClick={() => (ended.value = null)} />
        </p>
      )}
    </>
  );
}
