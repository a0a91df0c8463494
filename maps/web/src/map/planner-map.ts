/** The living map: takes styles and data, gives back clicks and views. Knows nothing of panels. */
import type { FeatureCollection } from 'geojson';
import type { StyleSpecification } from 'maplibre-gl';

import type { Bbox } from '../api/types';
import type { Place, Selection, View } from '../state/url';
import type { KnownGround, PathPoint } from '../whatif/ground';
import { groundUnder, snap } from './ground-tool';
import { gapAreaAt, groundAt, hitTarget, type GroundHit } from './hit';
import { drawCategoryIcon, PIXEL_RATIO } from './icons';
import { Map as MapLibreMap, ScaleControl, type GeoJSONSource, type MapMouseEvent } from './maplibre';
import type { Palette } from './palette';
import type { DataSource } from './style';
import { applyStyle } from './style-diff';

export interface PlannerMapEvents {
  onView: (view: View) => void;
  onPick: (selection: Selection) => void;
  onArea: (code: string) => void;
  onGround: (place: Place) => void;
  onHoverArea: (code: string | null) => void;
  onError: (message: string) => void;
  /** True while every click means "circles from here". */
  isCircleTool: () => boolean;
  /** True while clicks and hovers belong to a scenario. */
  isWhatIf: () => boolean;
}

export interface PlannerMapOptions {
  container: HTMLElement;
  style: StyleSpecification;
  colours: Palette;
  view: View | null;
  extent: Bbox | null;
  /** Room the panels take when the map opens. */
  padding: Padding;
  isAnimated: boolean;
  label: string;
  events: PlannerMapEvents;
}

const FIT_PADDING_PX = 32;
const MAX_FIT_ZOOM = 17;
/** How far from the middle of the map a street or gate may lie that the keyboard means. */
const MIDDLE_PX = 40;

export interface Padding {
  top: number;
  right: number;
  bottom: number;
  left: number;
}

const around = ({ top, right, bottom, left }: Padding): Padding => ({
  top: top + FIT_PADDING_PX, right: right + FIT_PADDING_PX, bottom: bottom + FIT_PADDING_PX, left: left + FIT_PADDING_PX,
});

export class PlannerMap {
  readonly map: MapLibreMap;
  readonly ready: Promise<void>;
  private style: StyleSpecification;
  private waiting: StyleSpecification | null = null;
  private isStyled = false;
  private colours: Palette;
  private readonly data = new Map<DataSource, FeatureCollection>();
  private changed: ReadonlyMap<number, number> = new Map<number, number>();
  private readonly options: PlannerMapOptions;
  private padding: Padding;
  private hoveredCode: string | null = null;

  constructor(options: PlannerMapOptions) {
    this.options = options;
    this.style = options.style;
    this.colours = options.colours;
    this.padding = options.padding;
    const { view, extent } = options;
    this.map = new MapLibreMap({
      container: options.container,
      style: options.style,
      attributionControl: false,
      maxPitch: 60,
      minZoom: 3,
      maxZoom: 20,
      fadeDuration: options.isAnimated ? 250 : 0,
      ...(view
        ? { center: [view.lon, view.lat], zoom: view.zoom, bearing: view.bearing, pitch: view.pitch }
        : extent
          ? { bounds: extent, fitBoundsOptions: { padding: around(options.padding) } }
          : { center: [0, 20], zoom: 2 }),
    });
    this.ready = new Promise((resolve) => this.map.once('idle', () => resolve()));
    this.map.addControl(new ScaleControl({ maxWidth: 110 }), 'bottom-left');
    this.map.getCanvas().setAttribute('aria-label', options.label);
    this.listen();
  }

  private listen(): void {
    const { map } = this;
    const { events } = this.options;
    map.on('error', ({ error }) => events.onError(error.message));
    map.setMissingStyleImageResolver((id) => this.addIcon(id));
    map.on('style.load', () => this.onStyleLoaded());
    map.on('moveend', () => events.onView(this.view()));
    map.on('click', (event) => this.click(event));
    map.on('boxzoomcancel', ({ originalEvent }) => this.shiftClick(originalEvent));
    map.on('mousemove', (event) => this.hover(event));
    map.on('mouseout', () => this.setHovered(null));
  }

  view(): View {
    const { lng, lat } = this.map.getCenter();
    return { lon: lng, lat, zoom: this.map.getZoom(), bearing: this.map.getBearing(), pitch: this.map.getPitch() };
  }

  /** MapLibre takes a shift-click for a box without size and swallows the click: circles are drawn from here. */
  private shiftClick(event: MouseEvent | TouchEvent | KeyboardEvent | WheelEvent): void {
    if (!(event instanceof MouseEvent) || this.options.events.isWhatIf()) return;
    const box = this.map.getCanvas().getBoundingClientRect();
    const point = { x: event.clientX - box.left, y: event.clientY - box.top };
    const { lng, lat } = this.map.unproject([point.x, point.y]);
    this.options.events.onGround({ lon: lng, lat });
  }

  private click({ point, lngLat }: MapMouseEvent): void {
    const { events } = this.options;
    if (events.isWhatIf()) return;
    const place = { lon: lngLat.lng, lat: lngLat.lat };
    if (!events.isCircleTool()) {
      const target = hitTarget(this.map, point);
      if (target) { events.onPick(target); return; }
      const area = gapAreaAt(this.map, point);
      if (area !== null) { events.onArea(area); return; }
    }
    events.onGround(place);
  }

  private hover({ point }: MapMouseEvent): void {
    if (this.options.events.isWhatIf()) { this.setHovered(null); return; }
    const isTool = this.options.events.isCircleTool();
    const isTarget = !isTool && this.map.loaded() && hitTarget(this.map, point) !== null;
    const area = isTool || isTarget ? null : gapAreaAt(this.map, point);
    this.map.getCanvas().style.cursor = isTool ? 'crosshair' : isTarget || area !== null ? 'pointer' : '';
    this.setHovered(area);
  }

  private setHovered(code: string | null): void {
    if (code === this.hoveredCode) return;
    this.markArea(code);
    this.options.events.onHoverArea(code);
  }

  /** Light up one area of the gap view; null for none. */
  markArea(code: string | null): void {
    if (!this.isStyled || this.map.getSource('gap-areas') === undefined) return;
    if (this.hoveredCode !== null) this.map.setFeatureState({ source: 'gap-areas', id: this.hoveredCode }, { hovered: false });
    if (code !== null) this.map.setFeatureState({ source: 'gap-areas', id: code }, { hovered: true });
    this.hoveredCode = code;
  }

  private addIcon(id: string): void {
    const picture = drawCategoryIcon(id, this.colours);
    if (picture && !this.map.hasImage(id)) this.map.addImage(id, picture, { pixelRatio: PIXEL_RATIO });
  }

  private redrawIcons(): void {
    for (const id of this.map.listImages()) {
      const picture = drawCategoryIcon(id, this.colours);
      if (picture) this.map.updateImage(id, picture);
    }
  }

  setStyle(style: StyleSpecification, colours: Palette): void {
    const isRecoloured = colours !== this.colours;
    this.colours = colours;
    if (!this.isStyled) {
      this.waiting = style;
      return;
    }
    const before = this.style;
    this.style = style;
    if (!applyStyle(this.map, before, style)) {
      this.isStyled = false;
      this.map.setStyle(style, { diff: false });
    }
    if (isRecoloured) this.redrawIcons();
  }

  /** A style that came while another was loading is applied on top of it. */
  private onStyleLoaded(): void {
    this.isStyled = true;
    this.restoreData();
    const style = this.waiting;
    this.waiting = null;
    if (style) this.setStyle(style, this.colours);
  }

  setData(source: DataSource, data: FeatureCollection): void {
    this.data.set(source, data);
    if (this.isStyled) this.putData(source, data);
  }

  private putData(source: DataSource, data: FeatureCollection): void {
    void this.map.getSource<GeoJSONSource>(source)?.setData(data);
  }

  private restoreData(): void {
    for (const [source, data] of this.data) this.putData(source, data);
    this.putChanged();
  }

  /** Which buildings a scenario changes, and how; every other one is as the run found it. */
  setChanged(states: ReadonlyMap<number, number>): void {
    this.changed = states;
    if (this.isStyled) this.putChanged();
  }

  private putChanged(): void {
    if (this.map.getSource('coverage') === undefined) return;
    const source = { source: 'coverage', sourceLayer: 'coverage' };
    this.map.removeFeatureState(source);
    for (const [id, change] of this.changed) this.map.setFeatureState({ ...source, id }, { change });
  }

  /** Room the panels take from the map, so that "the middle" is what can be seen. */
  setPadding(padding: Padding): void {
    this.padding = padding;
  }

  private get isAnimated(): boolean {
    return this.options.isAnimated && !matchMedia('(prefers-reduced-motion: reduce)').matches;
  }

  flyTo(place: Place, zoom = Math.max(this.map.getZoom(), 16)): void {
    const target = { center: [place.lon, place.lat] as [number, number], zoom };
    const { left, right, top, bottom } = this.padding;
    const offset: [number, number] = [(left - right) / 2, (top - bottom) / 2];
    if (this.isAnimated) this.map.flyTo({ ...target, offset, maxDuration: 1600 });
    else this.map.easeTo({ ...target, offset, duration: 0 });
  }

  /** The place in the middle of what no panel covers. */
  middle(): Place {
    const { left, right, top, bottom } = this.padding;
    const { clientWidth, clientHeight } = this.map.getCanvas();
    const { lng, lat } = this.map.unproject([(clientWidth + left - right) / 2, (clientHeight + top - bottom) / 2]);
    return { lon: lng, lat };
  }

  /** The gate or street next to the middle of what can be seen. */
  groundInMiddle(): KnownGround | null {
    const { lon, lat } = this.middle();
    return groundUnder(this.map, this.map.project([lon, lat]), MIDDLE_PX);
  }

  /** The middle of what can be seen, on a street that runs there. */
  snapMiddle(): PathPoint {
    const { lon, lat } = this.middle();
    return snap(this.map, this.map.project([lon, lat]));
  }

  fit(box: Bbox): void {
    this.map.fitBounds(box, {
      padding: around(this.padding),
      maxZoom: MAX_FIT_ZOOM,
      animate: this.isAnimated,
      maxDuration: 1600,
    });
  }

  jumpTo(view: View): void {
    this.map.jumpTo({ center: [view.lon, view.lat], zoom: view.zoom, bearing: view.bearing, pitch: view.pitch });
  }

  zoomBy(steps: number): void {
    this.map.zoomTo(this.map.getZoom() + steps, { animate: this.isAnimated });
  }

  turn({ bearing, pitch }: { bearing?: number; pitch?: number }): void {
    const target = { bearing: bearing ?? this.map.getBearing(), pitch: pitch ?? this.map.getPitch() };
    this.map.easeTo({ ...target, duration: this.isAnimated ? 500 : 0 });
  }

  /** What lies under a place, as far as it is drawn. */
  under(place: Place): GroundHit[] {
    return groundAt(this.map, this.map.project([place.lon, place.lat]));
  }

  destroy(): void {
    this.map.remove();
  }
}
