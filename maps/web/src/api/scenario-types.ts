/** What scenarios are sent and answer. */
export interface PointShape {
  type: 'Point';
  coordinates: [lon: number, lat: number];
}

/** A place of an edit: what we send is a point; what others stored may be an outline. */
export type PlaceShape = PointShape | { type: 'Polygon'; coordinates: [number, number][][] } | { type: 'MultiPolygon'; coordinates: [number, number][][][] };

export interface AddFacility {
  op: 'add_facility';
  type: string;
  geometry: PlaceShape;
  capacity?: number | null;
  name?: string | null;
}

export interface MoveFacility {
  op: 'move_facility';
  facility_id: number;
  geometry: PlaceShape;
}

export interface CloseFacility {
  op: 'close_facility';
  facility_id: number;
}

export interface ResizeFacility {
  op: 'resize_facility';
  facility_id: number;
  capacity: number;
}

export interface EditStreet {
  op: 'close_street' | 'open_street';
  street_id: number;
}

export interface CloseGate {
  op: 'close_gate';
  gate_id: number;
}

export interface OpenGate {
  op: 'open_gate';
  gate_id: number;
  opens_to?: 'all' | 'residents';
}

export interface LineShape {
  type: 'LineString';
  coordinates: [lon: number, lat: number][];
}

export interface DrawPath {
  op: 'draw_path';
  geometry: LineShape;
  steps?: boolean;
}

export type Edit = AddFacility | MoveFacility | CloseFacility | ResizeFacility | EditStreet | CloseGate | OpenGate | DrawPath;

export interface Covered {
  covered: number;
  gap: number;
  unknown: number;
  facilities: number;
  capacity: number | null;
}

export interface TypeChange {
  type: string;
  profile: string;
  demand_group: string;
  people: number;
  people_gained: number;
  people_lost: number;
  buildings_gained: number;
  buildings_lost: number;
  buildings_changed: number;
  before: Covered;
  after: Covered;
}

export interface AreaChange {
  area_code: string | null;
  parent_code: string | null;
  level: string;
  name: string | null;
  type: string;
  profile: string;
  demand_group: string;
  before: Pick<Covered, 'covered' | 'gap' | 'unknown'>;
  after: Pick<Covered, 'covered' | 'gap' | 'unknown'>;
}

export interface BuildingChange {
  building_id: number;
  type: string;
  profile: string;
  status_before: string;
  status_after: string;
  reach_s_before: number | null;
  reach_s_after: number | null;
}

export interface Difference {
  types: TypeChange[];
  areas: AreaChange[];
  buildings_changed: number;
  buildings: BuildingChange[];
}

export interface Draft {
  run_id: number;
  difference: Difference;
}

export interface ScenarioBrief {
  id: number;
  name: string | null;
  run_id: number;
  changed_at: string;
  edits: number;
  people_gained: number;
  people_lost: number;
  stale: boolean;
  changed_layers: string[];
}

export interface ScenarioDetail extends ScenarioBrief {
  done: Edit[][];
  to_redo: Edit[][];
  difference: Difference;
}
