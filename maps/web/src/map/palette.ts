/** The map's colours in both themes. Legends read them from here too, so map and legend cannot drift apart. */
import type { Theme } from '../state/url';

export interface Palette {
  land: string;
  landuse: Record<string, string>;
  water: string;
  waterEdge: string;
  waterText: string;
  compound: string;
  wall: string;
  building: [low: string, high: string];
  buildingEdge: string;
  shadow: string;
  street: Record<'major' | 'mid' | 'minor' | 'path' | 'closed', string>;
  casing: Record<'major' | 'mid' | 'minor', string>;
  rail: string;
  railGap: string;
  border: string;
  text: string;
  textStrong: string;
  textMuted: string;
  halo: string;
  accent: string;
  covered: string;
  unknown: string;
  noRoute: string;
  /** Minutes over the limit, from a little to far too much. */
  missing: [string, string, string, string];
  /** People in the gap per area, from few to many. */
  people: [string, string, string, string, string];
  /** Buildings that a scenario changes; the pairs stay apart for colour-blind eyes. */
  change: Record<'gain' | 'loss' | 'nearer' | 'farther', string>;
  circle: [five: string, ten: string, fifteen: string];
  incident: string;
  population: string;
  gateOpen: string;
  gateResidents: string;
  reference: string[];
  category: Record<string, string>;
  disc: string;
}

const light: Palette = {
  land: '#f3f4f4',
  landuse: {
    green: '#d5e8cf', sport: '#dcebd0', education: '#f3ead6', medical: '#f6e2e0', commerce: '#f5e9e2',
    industry: '#e8e6ee', administration: '#ebe7f1', transport: '#e7e9ec', residential: '#eeeff0', farmland: '#e9efdb', other: '#eceded',
  },
  water: '#b4d4ea',
  waterEdge: '#93bfdd',
  waterText: '#3f7399',
  compound: '#fafaf7',
  wall: '#b3b9ab',
  building: ['#e3e6ea', '#c7ced7'],
  buildingEdge: '#bcc4ce',
  shadow: 'rgba(52, 69, 92, 0.16)',
  street: { major: '#fff3d6', mid: '#ffffff', minor: '#ffffff', path: '#c2a98a', closed: '#d9dbde' },
  casing: { major: '#e3c489', mid: '#cdd4dc', minor: '#dadfe5' },
  rail: '#8d97a3',
  railGap: '#f6f7f8',
  border: '#8c7fa8',
  text: '#46535f',
  textStrong: '#1d2935',
  textMuted: '#66727e',
  halo: 'rgba(255, 255, 255, 0.9)',
  accent: '#0f63b8',
  covered: '#8fb6cf',
  unknown: '#aeb4bb',
  noRoute: '#5c0a2e',
  missing: ['#ffd27a', '#f9a03f', '#e4572e', '#b0132f'],
  people: ['#fff0c9', '#fed08a', '#f99b4f', '#e25a33', '#a8162f'],
  change: { gain: '#0b5fc4', loss: '#b3001b', nearer: '#6fa8e6', farther: '#e08a94' },
  circle: ['#0b4f97', '#2f7fc6', '#6aaae0'],
  incident: '#d98a00',
  population: '#7a5fb0',
  gateOpen: '#00794e',
  gateResidents: '#5d6a78',
  reference: ['#6d7fb3', '#a0739a', '#5f9a8f', '#a98a4f', '#8a8f5a'],
  category: {
    education: '#8a5a00', medical: '#c0283d', elderly: '#9a4a9c', culture: '#5b5fc0', sport: '#2f7d32', administration: '#8d2f2f',
    commerce: '#b0561a', transport: '#1f5fae', municipal: '#4f6472', safety: '#b3261e', green: '#3c7a3f', employment: '#6a5a2e',
  },
  disc: '#ffffff',
};

const dark: Palette = {
  land: '#0b121b',
  landuse: {
    green: '#10251d', sport: '#12291d', education: '#1c1b18', medical: '#221a20', commerce: '#1d1a1d',
    industry: '#16182a', administration: '#171a2a', transport: '#151c26', residential: '#0f1823', farmland: '#131f1a', other: '#111a24',
  },
  water: '#12304a',
  waterEdge: '#1c4566',
  waterText: '#7fb2da',
  compound: '#101a26',
  wall: '#33475c',
  building: ['#1b2938', '#2c4258'],
  buildingEdge: '#33495f',
  shadow: 'rgba(0, 0, 0, 0.35)',
  street: { major: '#4d5a63', mid: '#33465a', minor: '#26364a', path: '#4d5a50', closed: '#1e2a37' },
  casing: { major: '#6c6648', mid: '#16212d', minor: '#131d28' },
  rail: '#5f7186',
  railGap: '#131d29',
  border: '#7d74a6',
  text: '#a9bacb',
  textStrong: '#e8eff7',
  textMuted: '#8294a7',
  halo: 'rgba(8, 14, 22, 0.9)',
  accent: '#6fb7ff',
  covered: '#2d638c',
  unknown: '#5a6672',
  noRoute: '#c2307f',
  missing: ['#9c8748', '#dd9a3a', '#f06d42', '#e8394f'],
  people: ['#3a3326', '#6e5328', '#b0722c', '#ea7a3c', '#ff4d54'],
  change: { gain: '#6fc3ff', loss: '#ff5d52', nearer: '#3d7db8', farther: '#a34a48' },
  circle: ['#bfe0ff', '#6fb7ff', '#3f86cc'],
  incident: '#ffc233',
  population: '#b39ce8',
  gateOpen: '#5fe0b0',
  gateResidents: '#93a6ba',
  reference: ['#8fa3dd', '#cf9cc8', '#83c7ba', '#d9b674', '#b9bf7e'],
  category: {
    education: '#e9b44c', medical: '#ff7d8a', elderly: '#d899dc', culture: '#a3a8ff', sport: '#7fcf83', administration: '#f09a8c',
    commerce: '#f2a56a', transport: '#7fb9ff', municipal: '#a3bac9', safety: '#ff8a80', green: '#8fd092', employment: '#cdbb7c',
  },
  disc: '#0e1722',
};

export const PALETTES: Record<Theme, Palette> = { light, dark };

/** Upper bounds, in minutes over the limit, of the first three colours of `missing`. */
export const MISSING_BREAKS_MIN = [2, 5, 10] as const;

/** Round class bounds for people in the gap: four cuts, so five colours; empty when nobody is. */
export function peopleBreaks(values: readonly number[]): number[] {
  const positive = values.filter((value) => value > 0).sort((a, b) => a - b);
  if (positive.length === 0) return [];
  const cuts = [0.2, 0.4, 0.6, 0.8].map((share) => {
    const value = positive[Math.min(Math.floor(share * positive.length), positive.length - 1)] ?? 0;
    const step = 10 ** Math.max(Math.floor(Math.log10(Math.max(value, 1))) - 1, 0);
    return Math.max(Math.round(value / step) * step, 1);
  });
  return [...new Set(cuts)];
}
