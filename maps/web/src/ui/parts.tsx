/** Small building blocks shared by the panels. */
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';

import type { ApiError } from '../api/client';
import { t } from '../i18n';
import { Icon } from './icon';

interface IconButtonProps {
  icon: string;
  label: string;
  onClick: () => void;
  isPressed?: boolean;
  class?: string;
}

export function IconButton({ icon, label, onClick, isPressed, class: extra = '' }: IconButtonProps): JSX.Element {
  return (
    <button type="button" class={`icon-button ${extra}`} aria-label={label} title={label} aria-pressed={isPressed} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}

interface Option {
  value: string;
  label: string;
}

/** A choice of few: radio buttons that look like one control. */
export function Segmented({ label, options, value, onChange }: { label: string; options: readonly Option[]; value: string; onChange: (value: string) => void }): JSX.Element {
  const name = useId();
  return (
    <fieldset class="segmented">
      <legend class="visually-hidden">{label}</legend>
      {options.map((option) => (
        <label key={option.value} class={option.value === value ? 'is-on' : ''}>
          <input type="radio" name={name} value={option.value} checked={option.value === value} onChange={() => onChange(option.value)} />
          <span>{option.label}</span>
        </label>
      ))}
    </fieldset>
  );
}

export function Select({ label, options, value, onChange }: { label: string; options: readonly Option[]; value: string; onChange: (value: string) => void }): JSX.Element {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div class="select">
        <select id={id} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
          {options.map((option) => (
            <option key={option.value} value={option.value}>
              {option.label}
            </option>
          ))}
        </select>
        <Icon name="chevron-down" size={11} />
      </div>
    </div>
  );
}

/** A button that opens a small panel; Escape and a click elsewhere close it. */
export function Popover({ label, button, children, class: extra = '' }: { label: string; button: ComponentChildren; children: ComponentChildren; class?: string }): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const id = useId();
  useEffect(() => {
    if (!isOpen) return;
    const onPointer = (event: PointerEvent): void => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener('pointerdown', onPointer);
    return () => document.removeEventListener('pointerdown', onPointer);
  }, [isOpen]);
  const onKey = (event: KeyboardEvent): void => {
    if (event.key !== 'Escape' || !isOpen) return;
    event.stopPropagation();
    setOpen(false);
    root.current?.querySelector('button')?.focus();
  };
  return (
    <div class={`popover ${extra}`} ref={root} onKeyDown={onKey}>
      <button type="button" class="popover-button" aria-expanded={isOpen} aria-controls={id} aria-label={label} title={label} onClick={() => setOpen(!isOpen)}>
        {button}
      </button>
      {isOpen && (
        <div class="popover-panel" id={id} role="dialog" aria-label={label}>
          {children}
        </div>
      )}
    </div>
  );
}

export function Skeleton({ lines = 4 }: { lines?: number }): JSX.Element {
  return (
    <div class="skeleton" role="status" aria-label={t('state.loading')}>
      {Array.from({ length: lines }, (_unused, index) => (
        <span key={index} class={`skeleton-line w${index % 3}`} />
      ))}
    </div>
  );
}

/** The command to run next, ready to copy. */
function Command({ text }: { text: string }): JSX.Element {
  const [isCopied, setCopied] = useState(false);
  const copy = (): void => {
    void navigator.clipboard.writeText(text).then(() => setCopied(true));
  };
  const canCopy = 'clipboard' in navigator;
  return (
    <div class="command">
      <code>{text}</code>
      {canCopy && <IconButton icon={isCopied ? 'check' : 'copy'} label={isCopied ? t('action.copied') : t('action.copy')} onClick={copy} />}
    </div>
  );
}

const commandIn = (hint: string | null): string | null => /`([^`]+)`/.exec(hint ?? '')?.[1] ?? /(onemap [^.;]+)/.exec(hint ?? '')?.[1] ?? null;

/** A failed answer: what happened, the hint for the next step, and a way to try again. */
export function Fault({ error, title: own, onRetry, onClose }: { error: ApiError; title?: string; onRetry?: () => void; onClose?: () => void }): JSX.Element {
  const isOffline = error.status === 0;
  const title = isOffline ? t('error.network') : error.isNotReady ? t('empty.noData') : (own ?? t('error.title'));
  const command = commandIn(error.hint);
  return (
    <div class={`fault ${error.isNotReady ? 'is-empty' : ''}`} role="alert">
      <Icon name={error.isNotReady ? 'layer-group' : 'triangle-exclamation'} size={20} />
      <div>
        <strong>{title}</strong>
        {!isOffline && <p>{error.message}</p>}
        {command === null && <p class="hint">{isOffline ? t('error.networkHint') : error.hint}</p>}
        {command !== null && (
          <>
            <p class="hint">{t('empty.run')}</p>
            <Command text={command} />
          </>
        )}
        {onRetry && (
          <button type="button" class="text-button" onClick={onRetry}>
            <Icon name="arrows-rotate" size={12} /> {t('action.retry')}
          </button>
        )}
      </div>
      {onClose && <IconButton icon="xmark" label={t('action.close')} onClick={onClose} />}
    </div>
  );
}

/** Nothing there yet, and the command that makes it. */
export function EmptyState({ title, command }: { title: string; command: string }): JSX.Element {
  return (
    <div class="fault is-empty">
      <Icon name="layer-group" size={20} />
      <div>
        <strong>{title}</strong>
        <p class="hint">{t('empty.run')}</p>
        <Command text={command} />
      </div>
    </div>
  );
}

/** A bar cut into parts of one whole; parts carry their own colour class. */
export function StackedBar({ parts, label }: { parts: readonly { share: number; kind: string }[]; label: string }): JSX.Element {
  return (
    <div class="stacked-bar" role="img" aria-label={label}>
      {parts.map((part) => (
        <span key={part.kind} class={`part-${part.kind}`} style={{ flexGrow: Math.max(part.share, 0) }} />
      ))}
    </div>
  );
}

export function Swatch({ colour, kind = 'fill' }: { colour: string; kind?: 'fill' | 'line' | 'point' | 'hollow' }): JSX.Element {
  const style = kind === 'hollow' ? { borderColor: colour } : { backgroundColor: colour };
  return <span class={`swatch swatch-${kind}`} style={style} aria-hidden="true" />;
}
