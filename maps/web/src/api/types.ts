/** Shapes of the HTTP answers the screens read. One interface per answer, named as in the API document. */
import type { Feature, FeatureCollection, Geometry, MultiPolygon, Polygon } from 'geojson';

export type Bbox = [west: number, south: number, east: number, north: number];
export type Status = 'covered' | 'gap' | 'unknown';

export interface FieldInfo {
  name: string;
  title_zh: string | null;
  title_en: string | null;
  type: string;
  sensitive: boolean;
}

export interface LayerInfo {
  id: string;
  title_zh: string | null;
  title_en: string | null;
  geometry: string | null;
  rows: number;
  version: number;
  extent: Bbox | null;
  source: string | null;
  datum: string | null;
  changed_at: string | null;
  fields: FieldInfo[];
}

export interface FacilityType {
  code: string;
  category: string;
  name_zh: string;
  name_en: string;
  limit_s: number | null;
  walk_minutes: number | null;
  radius_m: number | null;
  testable: boolean;
  demand_groups: string[];
  clause: string | null;
  certainty: string | null;
  capacity_unit?: string;
  not_judged_reason: string | null;
}

export interface Profile {
  code: string;
  name_zh: string;
  name_en: string;
  pace_m_s: number;
}

export interface LevelInfo {
  level: string;
  title_zh: string | null;
  title_en: string | null;
  areas: number;
}

export interface Catalogue {
  layers: LayerInfo[];
  types: FacilityType[];
  profiles: Profile[];
  levels: LevelInfo[];
  extent: Bbox | null;
  center: [number, number] | null;
  zoom: number | null;
  latest_run: string | number | null;
}

export interface RunInfo {
  id: string | number;
  name: string | null;
  created_at: string;
  state: string;
  profiles: string[];
  types: string[];
  versions: Record<string, number | string>;
  duration_s: number | null;
  people: number | null;
  request?: RunRequest;
}

/** What a run was asked to judge. */
export interface RunRequest {
  types?: string[];
  profiles?: string[];
  minutes?: number | null;
  area?: string | null;
  at?: string | null;
  name?: string | null;
}

export type JobState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled';

export interface Job {
  id: string;
  kind: string;
  state: JobState;
  /** 0 to 1. */
  progress: number;
  message: string;
  result: Record<string, unknown> | null;
  error: Problem | null;
}

export interface RunColumn {
  type: string;
  profile: string;
  limit_s: number;
  radius_limit_m?: number | null;
  demand_group: string;
  /** `group` by its own ages, `all` where no ages are loaded, `mixed` between. */
  people_basis?: string;
  facilities?: number;
}

export interface Totals {
  type: string;
  profile: string;
  demand_group?: string;
  people: number;
  covered: number;
  gap: number;
  unknown: number;
  share_covered: number | null;
  radius_covered: number | null;
}

export interface RunDetail extends RunInfo {
  levels?: string[];
  columns: RunColumn[];
  totals: Totals[];
}

export interface AreaRow extends Totals {
  area_code: string | null;
  level: string;
  name: string | null;
}

export interface BuildingRow {
  building_id: string | number;
  source_id: string | null;
  name?: string | null;
  lon: number;
  lat: number;
  area_code: string | null;
  people: number;
  type: string;
  profile: string;
  limit_s: number;
  reach_s: number | null;
  radius_m: number | null;
  facility_id: string | number | null;
  status: Status;
}

export interface Page<Row> {
  rows: Row[];
  next: string | null;
}

export interface ReachResult {
  type: string;
  profile: string;
  limit_s: number;
  reach_s: number | null;
  radius_m: number | null;
  radius_limit_m?: number | null;
  facility_id: string | number | null;
  facility_name: string | null;
  status: Status;
  people: number | null;
}

export interface Completeness {
  profile?: string;
  met: number;
  required: number;
  share: number | null;
  missing: string[];
  not_judged: (string | { code: string; reason?: string | null })[];
}

export interface BuildingReach {
  building: Record<string, unknown>;
  residents: Record<string, number | string | boolean | null> | null;
  results: ReachResult[];
  /** One entry per profile of the run. */
  completeness: Completeness[] | Completeness | null;
}

export interface CircleProperties {
  minutes: number;
  people: number | null;
  dwellings: number | null;
  buildings: number | null;
  facilities: Record<string, { count: number; capacity: number | null }>;
  people_basis?: string | null;
}

export interface Circles extends FeatureCollection<Polygon | MultiPolygon, CircleProperties> {
  start: { lon: number; lat: number; edge_m: number | null };
}

export interface SearchHit {
  kind: string;
  id: string | number;
  name: string;
  detail: string | null;
  lon: number;
  lat: number;
  bbox: Bbox | null;
}

export type Item = Feature<Geometry | null, Record<string, unknown>>;

export interface ItemPage extends FeatureCollection<Geometry | null, Record<string, unknown>> {
  links?: { rel: string; href: string; type?: string }[];
  numberMatched?: number;
}

/** RFC 9457 problem document, with the two members OneMap adds. */
export interface Problem {
  type?: string;
  title?: string;
  status?: number;
  detail?: string;
  hint?: string;
  parameter?: string;
}
