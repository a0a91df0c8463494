/**
 * Copy from npm packages what pages outside the bundle link to, so that nothing needs a CDN: folium's files to
 * `maps/static/folium/`, Swagger UI to `maps/static/docs/`.
 *
 * `folium/manifest.json` maps the last part of each address folium writes to the copy's path below `folium/`.
 */
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const target = path.resolve(root, '../static/folium');
const docs = path.resolve(root, '../static/docs');
const modules = path.join(root, 'node_modules');

/** Package → files and folders to carry, as paths inside the package. */
const COPIES = {
  leaflet: ['dist/leaflet.js', 'dist/leaflet.css', 'dist/images', 'LICENSE'],
  jquery: ['dist/jquery.min.js', 'LICENSE.txt'],
  bootstrap: ['dist/js/bootstrap.bundle.min.js', 'dist/css/bootstrap.min.css', 'LICENSE'],
  glyphicons: ['dist/fonts', 'LICENSE'],
  '@fortawesome/fontawesome-free': ['css/all.min.css', 'webfonts', 'LICENSE.txt'],
  'leaflet.awesome-markers': ['dist/leaflet.awesome-markers.js', 'dist/leaflet.awesome-markers.css', 'dist/images', 'LICENSE'],
  'leaflet.fullscreen': ['Control.FullScreen.js', 'Control.FullScreen.css', 'icon-fullscreen.svg', 'LICENSE'],
  'leaflet.markercluster': ['dist/leaflet.markercluster.js', 'dist/MarkerCluster.css', 'dist/MarkerCluster.Default.css', 'MIT-LICENCE.txt'],
  'leaflet-minimap': ['dist/Control.MiniMap.min.js', 'dist/Control.MiniMap.min.css', 'dist/images', 'LICENSE.txt'],
  'leaflet.vectorgrid': ['dist/Leaflet.VectorGrid.bundled.js'],
  'leaflet-groupedlayercontrol': ['dist/leaflet.groupedlayercontrol.min.js', 'dist/leaflet.groupedlayercontrol.min.css'],
};

/** Last part of the address folium writes → copy. */
const MANIFEST = {
  'leaflet.js': 'leaflet/dist/leaflet.js',
  'leaflet.css': 'leaflet/dist/leaflet.css',
  'jquery-3.7.1.min.js': 'jquery/dist/jquery.min.js',
  'jquery.min.js': 'jquery/dist/jquery.min.js',
  'bootstrap.bundle.min.js': 'bootstrap/dist/js/bootstrap.bundle.min.js',
  'bootstrap.min.css': 'bootstrap/dist/css/bootstrap.min.css',
  'bootstrap-glyphicons.css': 'glyphicons/dist/bootstrap-glyphicons.css',
  'all.min.css': '@fortawesome/fontawesome-free/css/all.min.css',
  'leaflet.awesome-markers.js': 'leaflet.awesome-markers/dist/leaflet.awesome-markers.js',
  'leaflet.awesome-markers.css': 'leaflet.awesome-markers/dist/leaflet.awesome-markers.css',
  'leaflet.awesome.rotate.min.css': 'leaflet.awesome.rotate.css',
  'Control.FullScreen.min.js': 'leaflet.fullscreen/Control.FullScreen.js',
  'Control.FullScreen.css': 'leaflet.fullscreen/Control.FullScreen.css',
  'leaflet.markercluster.js': 'leaflet.markercluster/dist/leaflet.markercluster.js',
  'MarkerCluster.css': 'leaflet.markercluster/dist/MarkerCluster.css',
  'MarkerCluster.Default.css': 'leaflet.markercluster/dist/MarkerCluster.Default.css',
  'Control.MiniMap.js': 'leaflet-minimap/dist/Control.MiniMap.min.js',
  'Control.MiniMap.css': 'leaflet-minimap/dist/Control.MiniMap.min.css',
  'Leaflet.VectorGrid.bundled.js': 'leaflet.vectorgrid/dist/Leaflet.VectorGrid.bundled.js',
  'leaflet.groupedlayercontrol.min.js': 'leaflet-groupedlayercontrol/dist/leaflet.groupedlayercontrol.min.js',
  'leaflet.groupedlayercontrol.min.css': 'leaflet-groupedlayercontrol/dist/leaflet.groupedlayercontrol.min.css',
};

/** The rules folium's rotated marker icons need: its own sheet is on no registry. */
const ROTATE_CSS = [45, 90, 135, 180, 225, 270, 315]
  .map((degrees) => `.awesome-marker .fa-rotate-${degrees}, .awesome-marker .glyphicon-rotate-${degrees} { transform: rotate(${degrees}deg); }`)
  .join('\n');

/** Bootstrap 3's icon rules alone, without the rest of that framework. */
async function cutGlyphicons() {
  const css = await readFile(path.join(modules, 'glyphicons/dist/css/bootstrap.css'), 'utf8');
  const rules = css.match(/@font-face\s*{[^}]*Glyphicons[^}]*}|\.glyphicon[^{},]*{[^}]*}/g);
  if (!rules || rules.length < 200) throw new Error(`folium assets: expected over 200 icon rules in bootstrap 3, found ${rules?.length ?? 0}`);
  return rules.join('\n').replaceAll('../fonts/', 'fonts/');
}

/** The API reference: Swagger UI as it is, started by a script of the server's. */
const DOCS_FILES = ['swagger-ui-bundle.js', 'swagger-ui.css', 'LICENSE', 'NOTICE'];

await rm(docs, { recursive: true, force: true });
for (const file of DOCS_FILES) await cp(path.join(modules, 'swagger-ui-dist', file), path.join(docs, file));

await rm(target, { recursive: true, force: true });
for (const [name, files] of Object.entries(COPIES)) {
  for (const file of files) {
    const destination = path.join(target, name, file);
    await mkdir(path.dirname(destination), { recursive: true });
    await cp(path.join(modules, name, file), destination, { recursive: true });
  }
}
await writeFile(path.join(target, 'glyphicons/dist/bootstrap-glyphicons.css'), await cutGlyphicons());
await writeFile(path.join(target, 'leaflet.awesome.rotate.css'), ROTATE_CSS);
for (const file of Object.values(MANIFEST)) await readFile(path.join(target, file));
await writeFile(path.join(target, 'manifest.json'), `${JSON.stringify(MANIFEST, null, 2)}\n`);
