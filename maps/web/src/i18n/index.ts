/** Texts in the chosen language. Reading `t` inside a component subscribes it to the language. */
import type { FacilityType, LayerInfo, LevelInfo, Profile, RunColumn } from '../api/types';
import { lang, layerById, profileByCode, typeByCode } from '../state/store';
import type { Lang } from '../state/url';
import { en } from './en';
import { zh, type TextKey } from './zh';

export type { TextKey } from './zh';

const TEXTS: Record<Lang, Record<TextKey, string>> = { zh, en };

/** `{name}` is a hole, `[row|rows]` the word for one and for any other `n`. */
export function translate(language: Lang, key: TextKey, values: Record<string, string | number> = {}): string {
  const isOne = String(values.n) === '1';
  const text = TEXTS[language][key].replace(/\[([^|\]]*)\|([^\]]*)\]/g, (_whole, one: string, many: string) => (isOne ? one : many));
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

export const t = (key: TextKey, values?: Record<string, string | number>): string => translate(lang.value, key, values);

const hasText = (key: string): key is TextKey => key in zh;

/** The text of a key made from data, or what the data itself says. */
export const tOr = (key: string, fallback: string): string => (hasText(key) ? t(key) : fallback);

const pick = (nameZh: string | null | undefined, nameEn: string | null | undefined, fallback: string): string =>
  (lang.value === 'zh' ? (nameZh ?? nameEn) : (nameEn ?? nameZh)) ?? fallback;

export const typeName = (type: FacilityType): string => pick(type.name_zh, type.name_en, type.code);
export const profileName = (profile: Profile): string => pick(profile.name_zh, profile.name_en, profile.code);
export const categoryName = (category: string): string => tOr(`category.${category}`, category);

export function typeNameOf(code: string): string {
  const type = typeByCode.value.get(code);
  return type ? typeName(type) : code;
}

export function profileNameOf(code: string): string {
  const profile = profileByCode.value.get(code);
  return profile ? profileName(profile) : code;
}

export const levelTitle = (level: LevelInfo): string =>
  tOr(`level.${level.level}`, pick(level.title_zh, level.title_en, level.level));

/** A layer nobody titled goes by its id; well-known ids have a title of ours. */
export function layerTitle(layer: LayerInfo): string {
  const title = pick(layer.title_zh, layer.title_en, layer.id);
  return title === layer.id ? tOr(`layer.${layer.id}`, layer.id) : title;
}

export function layerTitleOf(id: string): string {
  const layer = layerById.value.get(id);
  return layer ? layerTitle(layer) : tOr(`layer.${id}`, id);
}

/** The title of a column, as the catalogue gives it. */
export function fieldTitle(layerId: string, name: string): string {
  const field = layerById.value.get(layerId)?.fields.find((row) => row.name === name);
  return pick(field?.title_zh, field?.title_en, name);
}

const BANDS: Record<string, [low: number, high: number | null]> = {
  a00_02: [0, 2], a03_05: [3, 5], a06_11: [6, 11], a12_14: [12, 14], a15_17: [15, 17],
  a18_59: [18, 59], a60_64: [60, 64], a65_79: [65, 79], a80_up: [80, null],
};

export const AGE_BANDS = Object.keys(BANDS);

export function bandTitle(band: string): string {
  const bounds = BANDS[band];
  if (!bounds) return band;
  const [low, high] = bounds;
  if (high === null) return lang.value === 'zh' ? `${low} 岁以上` : `${low}+`;
  return lang.value === 'zh' ? `${low}–${high} 岁` : `${low}–${high}`;
}

/** `a60_64+a65_79+a80_up` as the ages it spans; other codes as they are. */
export function groupTitle(code: string | null): string {
  if (code === null || code === '' || code === 'all') return t('group.all');
  const bounds = code.split('+').map((band) => BANDS[band]);
  const first = bounds[0];
  const last = bounds.at(-1);
  if (!first || !last || bounds.includes(undefined)) return code;
  const isRow = bounds.every((band, index) => index === 0 || band?.[0] === (bounds[index - 1]?.[1] ?? -9) + 1);
  if (!isRow) return code.split('+').map(bandTitle).join(lang.value === 'zh' ? '、' : ', ');
  if (last[1] === null) return lang.value === 'zh' ? `${first[0]} 岁以上` : `${first[0]}+`;
  return lang.value === 'zh' ? `${first[0]}–${last[1]} 岁` : `ages ${first[0]}–${last[1]}`;
}

/** Whether a group is made of ages, which may not be loaded; `households` and the like always stand for everybody. */
export const isAgeGroup = (code: string): boolean => code.split('+').every((band) => band in BANDS);

/** Whom a column of a run counts: where no ages are loaded that is everybody, whatever the type's own group. */
export function countedTitle(column: RunColumn): string {
  const group = groupTitle(column.demand_group);
  if (column.people_basis === 'all') return isAgeGroup(column.demand_group) ? t('group.noAges') : t('group.all');
  return column.people_basis === 'mixed' ? t('group.someAges', { group }) : group;
}
