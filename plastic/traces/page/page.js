"use strict";
// One page over the traces of a run. `meta` describes them; their values are inside it, or are fetched from the server.
const meta = JSON.parse(document.getElementById("meta").textContent);
const $ = (id) => document.getElementById(id);
const COLOURS = { // Okabe and Ito's, told apart by the colour-blind; null: the text colour
  pre_spike: "#009E73", pre_trace: "#009E73", membrane: "#0072B2", spike: "#0072B2", activity: "#0072B2",
  post_factor: "#CC79A7", eligibility: "#AA5577", gate: "#E69F00", dendrite: "#56B4E9", modulator: "#D55E00",
  context_gate: "#E69F00", context_dendrite: "#56B4E9", loss: "#999999", weight: null, weight_change: null, rounding: "#999999",
};
const SHADES = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"];
const IN_DARK = { "#0072B2": "#3D9BE0", "#AA5577": "#C8708F" }; // too dim on a dark ground
const tone = (colour) => document.documentElement.classList.contains("dark") ? IN_DARK[colour] || colour : colour;
const ROWS = ["spikes", "pre_trace", "membrane", "post_factor", "eligibility", "gate", "dendrite", "modulator", "weight", "rounding"];
const MOST_SAMPLES = 20000; // that are drawn at a time
const MOST_LABELS = 14; // stimuli whose labels are readable beside each other

// ---------------------------------------------------------------- values
const TYPES = { float32: Float32Array, float64: Float64Array, uint8: Uint8Array, int8: Int8Array, int32: Int32Array };
const decoded = new Map();

function decode(text, type) {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return new TYPES[type](bytes.buffer);
}

function values(holder) { // of something that carries {data, dtype}, decoded once
  if (!decoded.has(holder)) decoded.set(holder, decode(holder.data, holder.dtype));
  return decoded.get(holder);
}

for (const axis of Object.values(meta.axes)) axis.numbers = values(axis.stimuli);
const recorded = meta.axes.stimulus.numbers;
const fixation = values(meta.fixation), label = values(meta.label);

function place(variable, at) { // index of each axis' choice, or null where it was not recorded
  if (variable.axes.includes("site")) return null; // the map below a convolution, which all its synapses read
  const found = variable.axes.map((axis, k) => {
    if (axis !== "unit") return variable.indices[k].indexOf(at[axis]);
    const [positions, neurons] = meta.layers[variable.layer - 1], size = variable.size[k];
    if (at.unit !== undefined) return variable.indices[k].indexOf(at.unit);
    const own = size > neurons && size === positions * neurons ? at.position * neurons + at.post : at.post;
    return variable.indices[k].indexOf(own);
  });
  return found.includes(-1) ? null : found;
}

async function samples(variable, where, from, to) { // samples from … to of one component
  if (meta.served) {
    const query = new URLSearchParams({ variable: variable.name, at: where.join(","), from, to });
    const answer = await fetch("data?" + query);
    if (!answer.ok) throw new Error(await answer.text());
    return new TYPES[variable.dtype](await answer.arrayBuffer());
  }
  const all = values(variable), stride = variable.indices.reduce((n, one) => n * one.length, 1);
  let offset = 0;
  variable.indices.forEach((one, k) => { offset = offset * one.length + where[k]; });
  const out = new TYPES[variable.dtype](to - from);
  for (let i = from; i < to; i++) out[i - from] = all[i * stride + offset];
  return out;
}

async function matrix(variable, moment) { // a whole sample, as rows
  const columns = variable.indices[variable.indices.length - 1].length;
  const stride = variable.indices.reduce((n, one) => n * one.length, 1);
  let flat;
  if (meta.served) {
    const query = new URLSearchParams({ variable: variable.name, at: "", from: moment, to: moment + 1 });
    flat = new TYPES[variable.dtype](await (await fetch("data?" + query)).arrayBuffer());
  } else flat = values(variable).subarray(moment * stride, (moment + 1) * stride);
  const rows = [];
  for (let i = 0; i < stride; i += columns) rows.push(Array.from(flat.subarray(i, i + columns)));
  return rows;
}

function lowerBound(numbers, value) {
  let low = 0, high = numbers.length;
  while (low < high) { const mid = (low + high) >> 1; if (numbers[mid] < value) low = mid + 1; else high = mid; }
  return low;
}

// ---------------------------------------------------------------- state and permalink
const state = { view: "synapse", ...meta.start, moment: -1 };
const WHOLE = ["layer", "post", "pre", "stream", "position", "stimulus", "moment"];

function readHash() {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const key of WHOLE) if (given.has(key) && Number.isInteger(+given.get(key))) state[key] = +given.get(key);
  for (const key of ["from", "to"]) if (given.has(key) && Number.isFinite(+given.get(key))) state[key] = +given.get(key);
  if (given.has("from")) state.stimulus = Math.floor(state.from / meta.time_steps) + 1;
  if (["synapse", "network"].includes(given.get("view"))) state.view = given.get("view");
}

function writeHash() {
  const shown = state.view === "synapse" ? ["view", "layer", "post", "pre", "stream", "position", "from", "to"]
    : ["view", "layer", "moment"];
  const text = "#" + new URLSearchParams(shown.map((key) => [key, state[key]])).toString();
  if (text !== location.hash) history.replaceState(null, "", text);
}

// ---------------------------------------------------------------- choosers
function variables(layer) { return meta.variables.filter((one) => one.layer === layer); }

function choices(axis) { // what was recorded of an axis in the layer; with all its factors, if there is such
  const found = new Set(), local = variables(state.layer).filter((one) => !one.own && one.axes.includes(axis));
  const steps = local.filter((one) => one.clock === "step");
  for (const one of steps.length ? steps : local) one.indices[one.axes.indexOf(axis)].forEach((index) => found.add(index));
  return [...found].sort((a, b) => a - b);
}

function fill(id, options, chosen) {
  const select = $(id);
  select.replaceChildren(...options.map((value) => new Option(value, value, false, value === chosen)));
  select.closest("label").classList.toggle("single", select.closest("label").classList.contains("optional") && options.length < 2);
}

function fillChoosers() {
  const layers = [...new Set(meta.variables.map((one) => one.layer))];
  if (!layers.includes(state.layer)) state.layer = layers[layers.length - 1];
  fill("layer", layers, state.layer);
  for (const axis of ["post", "pre", "position", "stream"]) {
    const options = choices(axis);
    if (!options.includes(state[axis])) state[axis] = options.length ? options[0] : 0;
    fill(axis, options, state[axis]);
  }
  const whole = weightMatrices();
  $("moment").max = whole ? whole.numbers.length - 1 : 0;
  if (!whole || state.moment < 0 || state.moment >= whole.numbers.length) state.moment = whole ? whole.numbers.length - 1 : 0;
  $("moment").value = state.moment;
  $("moment-number").textContent = whole ? " " + whole.numbers[state.moment] : " (none recorded)";
  $("stimulus").value = state.stimulus;
}

// ---------------------------------------------------------------- the synapse
function theme() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(["back", "front", "soft", "line", "saccade"].map((key) => [key, style.getPropertyValue("--" + key).trim()]));
}

function drawn() { // first and one past the last recorded stimulus (their places) around the chosen one
  const widest = Math.max(1, Math.floor(MOST_SAMPLES / meta.time_steps));
  const at = Math.min(lowerBound(recorded, state.stimulus), recorded.length - 1);
  const shown = Math.ceil((state.to - state.from) / meta.time_steps);
  const around = Math.max(widest >> 1, Math.min(shown, widest));
  return [Math.max(0, at - around), Math.min(recorded.length, at + around)];
}

async function courses(first, last) { // of all signals of the synapse, between two stimuli: by signal, its components
  const at = { post: state.post, pre: state.pre, stream: state.stream, position: state.position }, found = new Map();
  const candidates = variables(state.layer).map((one) => ({ one, numbers: meta.axes[one.axis].numbers }));
  candidates.sort((a, b) => b.numbers.length - a.numbers.length);
  for (const { one, numbers } of candidates) {
    if (found.has(one.signal)) continue;
    const k = one.axes.indexOf("unit");
    const perNeuron = k < 0 || [meta.layers[one.layer - 1][1], meta.layers[one.layer - 1][0] * meta.layers[one.layer - 1][1]].includes(one.size[k]);
    const components = perNeuron ? [at] : one.indices[k].map((unit) => ({ ...at, unit }));
    const steps = meta.axes[one.axis].steps, every = meta.axes[one.axis].every;
    const begin = lowerBound(numbers, first), end = lowerBound(numbers, last + 1);
    const lines = [];
    for (const chosen of components) {
      const where = place(one, chosen);
      if (!where || begin === end) continue;
      lines.push({ unit: chosen.unit, y: await samples(one, where, begin * steps, end * steps) });
    }
    if (lines.length) found.set(one.signal, { ...one, lines, begin, end, steps, every, numbers });
  }
  return found;
}

function line(course, one, row, colour) { // a signal as a plotly trace; gaps where nothing was recorded
  const x = [], y = [], T = meta.time_steps, stands = course.clock === "stimulus" || T === 1;
  const near = stands && (state.to - state.from) / T <= MOST_LABELS; // a point per step, so that pointing finds it
  const rests = course.clock === "step" && T > 1; // between stimuli membranes and traces return to rest
  for (let n = course.begin; n < course.end; n++) {
    const start = (course.numbers[n] - 1) * T, base = (n - course.begin) * course.steps;
    if (n > course.begin && (rests || course.numbers[n] !== course.numbers[n - 1] + 1)) { x.push(start); y.push(null); }
    if (course.clock === "step") for (let k = 0; k < course.steps; k++) { x.push(start + k * course.every); y.push(one.y[base + k]); }
    else for (let k = 0; k < (near && start < state.to && start + T > state.from ? T : 1); k++) { x.push(start + k); y.push(one.y[base]); }
    const goesOn = n + 1 < course.end && course.numbers[n + 1] === course.numbers[n] + 1;
    if (stands && !goesOn) { x.push(start + T); y.push(one.y[base + course.steps - 1]); }
  }
  const name = course.signal + (one.unit === undefined ? "" : `[${one.unit}]`);
  return { x, y, name, type: "scatter", mode: "lines", xaxis: "x", yaxis: row, connectgaps: false,
    line: { color: colour, width: 1.4, shape: course.clock === "stimulus" || T === 1 ? "hv" : "linear" },
    hovertemplate: `${name} %{y:.6g}${course.unit === "1" ? "" : " " + course.unit}<extra></extra>` };
}

function raster(course, row, height, colour) {
  const x = [], T = meta.time_steps;
  for (let n = course.begin; n < course.end; n++) for (let k = 0; k < course.steps; k++)
    if (course.lines[0].y[(n - course.begin) * course.steps + k] > 0) x.push((course.numbers[n] - 1) * T + k * course.every);
  return { x, y: x.map(() => height), name: course.signal, type: "scatter", mode: "markers", xaxis: "x", yaxis: row,
    marker: { symbol: "line-ns-open", size: 9, color: colour, line: { width: 1.6 } },
    hovertemplate: `${course.signal.replace("_", " ")} at %{x} ms<extra></extra>` };
}

function rowsOf(found) {
  const known = new Set(Object.keys(COLOURS));
  const own = [...found.keys()].filter((name) => !known.has(name));
  const rows = ROWS.filter((name) => found.has(name) || (name === "spikes" && (found.has("spike") || found.has("pre_spike"))));
  return [...rows, ...["context_gate", "context_dendrite"].filter((name) => found.has(name)), ...own];
}

function stimuliTrace(first, last, row, look) {
  const stream = Math.max(0, meta.streams.indexOf(state.stream)), x = [], text = [], about = [];
  for (let n = lowerBound(recorded, first); n < recorded.length && recorded[n] <= last; n++) {
    const stays = fixation[n * meta.streams.length + stream] > 0, what = label[n * meta.streams.length + stream];
    x.push((recorded[n] - 0.5) * meta.time_steps);
    text.push(`${stays ? "fixation" : "saccade"} · ${what}`);
    about.push(`stimulus ${recorded[n]}: ${stays ? "fixation" : "saccade"}, label ${what}`);
  }
  return { x, y: x.map(() => 0.5), text, customdata: about, name: "stimulus", type: "scatter", mode: "text", xaxis: "x", yaxis: row,
    textfont: { size: 10, color: look.soft }, hovertemplate: "%{customdata}<extra></extra>" };
}

function shapes(first, last, look) {
  const stream = Math.max(0, meta.streams.indexOf(state.stream)), T = meta.time_steps, out = [];
  for (let n = lowerBound(recorded, first); n < recorded.length && recorded[n] <= last; n++) {
    const x0 = (recorded[n] - 1) * T, stays = fixation[n * meta.streams.length + stream] > 0;
    if (!stays) out.push({ type: "rect", x0, x1: x0 + T, y0: 0, y1: 1, yref: "paper", fillcolor: look.saccade, line: { width: 0 }, layer: "below" });
    out.push({ type: "line", x0, x1: x0, y0: 0, y1: 1, yref: "paper", line: { color: look.line, width: 1 }, layer: "below" });
  }
  return out;
}

let turn = 0; // of drawing: a later one overtakes an earlier one that still waits for data

async function drawSynapse() {
  const mine = ++turn, look = theme(), [begin, end] = drawn();
  const first = recorded[begin], last = recorded[end - 1];
  $("note").textContent = `${meta.equation} · stimuli ${first} to ${last} of ${meta.steps} are drawn · record: ${meta.record}`;
  const found = await courses(first, last);
  if (mine !== turn) return;
  const rows = rowsOf(found), traces = [], axes = {}, notes = [];
  const gap = 0.012, top = 0.035, height = (1 - top - gap * rows.length) / Math.max(rows.length, 1);
  axes.yaxis = { domain: [1 - top, 1], range: [0, 1], visible: false, fixedrange: true };
  traces.push(stimuliTrace(first, last, "y", look));
  rows.forEach((name, k) => {
    const id = `y${k + 2}`, upper = 1 - top - gap - k * (height + gap);
    const course = found.get(name), grid = { gridcolor: look.line, zerolinecolor: look.soft, linecolor: look.line, tickfont: { size: 9 } };
    axes[`yaxis${k + 2}`] = { domain: [Math.max(0, upper - height), upper], nticks: 4, fixedrange: true, showline: true, ...grid };
    let symbol = course ? course.symbol : "s", unit = course ? course.unit : "";
    if (name === "spikes") {
      const pre = found.get("pre_spike"), post = found.get("spike");
      unit = (post || pre).unit; symbol = "s_i, s_j";
      if (meta.spiking) {
        if (pre) traces.push(raster(pre, id, 0, tone(COLOURS.pre_spike)));
        if (post) traces.push(raster(post, id, 1, tone(COLOURS.spike)));
        Object.assign(axes[`yaxis${k + 2}`], { range: [-0.6, 1.6], tickvals: [0, 1], ticktext: ["pre", "post"] });
      } else for (const one of [pre, post]) if (one) traces.push(line(one, one.lines[0], id, tone(COLOURS[one.signal])));
    } else course.lines.forEach((one, n) => {
      const colour = tone(name in COLOURS ? COLOURS[name] || look.front : SHADES[n % SHADES.length]);
      traces.push(line(course, one, id, colour));
    });
    if (name === "membrane" && meta.threshold !== undefined) traces.push({
      x: [(first - 1) * meta.time_steps, last * meta.time_steps], y: [meta.threshold, meta.threshold], name: "threshold", mode: "lines",
      type: "scatter", xaxis: "x", yaxis: id, line: { color: look.soft, width: 1, dash: "dash" }, hoverinfo: "skip" });
    notes.push({ text: `<b>${name.replaceAll("_", " ")}</b> ${symbol === name ? "" : symbol}<br>${unit}`, x: 0, xref: "paper", xanchor: "right", xshift: -46,
      y: upper - height / 2, yref: "paper", yanchor: "middle", showarrow: false, align: "right", font: { size: 10.5, color: look.front } });
  });
  const layout = {
    ...axes, shapes: shapes(first, last, look), annotations: notes, showlegend: false, hovermode: "x unified", hoversubplots: "axis",
    xaxis: { range: [state.from, state.to], anchor: rows.length ? `y${rows.length + 1}` : "y", title: { text: meta.spiking ? "time (ms)" : "time (stimuli)", standoff: 4, font: { size: 11 } },
      gridcolor: look.line, showgrid: false, zeroline: false, tickfont: { size: 10 }, spikemode: "across", showspikes: true, spikethickness: 1, spikecolor: look.soft },
    margin: { l: 168, r: 14, t: 2, b: 34 }, paper_bgcolor: look.back, plot_bgcolor: look.back, font: { color: look.front, size: 11 },
    dragmode: "zoom", hoverlabel: { font: { size: 11 }, bgcolor: look.back }, uirevision: "keep",
  };
  labelDensity(traces[0]);
  for (let k = 0; k < rows.length; k++) fitted(axes[`yaxis${k + 2}`], traces.filter((one) => one.yaxis === `y${k + 2}`));
  await Plotly.react("synapse-view", traces, layout, { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] });
  $("synapse-view").dataset.drawn = String(mine);
  if (!drawSynapse.listens) { $("synapse-view").on("plotly_relayout", zoomed); drawSynapse.listens = true; }
  writeHash();
}

function fitted(axis, traces) { // the range of what is visible, so that a small change far from an outburst is seen
  if (axis.range) return;
  let low = Infinity, high = -Infinity;
  for (const one of traces) for (let i = 0; i < one.x.length; i++) {
    const value = one.y[i];
    if (value === null || (one.name !== "threshold" && (one.x[i] < state.from || one.x[i] > state.to))) continue;
    low = Math.min(low, value); high = Math.max(high, value);
  }
  const room = (high - low) * 0.08 || Math.max(Math.abs(high) * 0.1, 1e-3);
  if (low <= high) axis.range = [low - room, high + room];
}

function labelDensity(trace) {
  trace.mode = (state.to - state.from) / meta.time_steps <= MOST_LABELS ? "text" : "markers";
  trace.marker = { size: 4, color: theme().soft };
}

function zoomed(change) {
  let from = change["xaxis.range[0]"], to = change["xaxis.range[1]"];
  if (change["xaxis.range"]) [from, to] = change["xaxis.range"];
  if (change["xaxis.autorange"]) { const [begin, end] = drawn(); from = (recorded[begin] - 1) * meta.time_steps; to = recorded[end - 1] * meta.time_steps; }
  if (from === undefined || (from === state.from && to === state.to)) return;
  [state.from, state.to] = [+from, +to];
  state.stimulus = Math.floor(Math.max(0, state.from) / meta.time_steps) + 1;
  $("stimulus").value = state.stimulus;
  draw();
}

function goTo(number, count) { // show `count` stimuli from this one on
  const at = Math.min(lowerBound(recorded, number), recorded.length - 1);
  state.stimulus = recorded[at];
  state.from = (state.stimulus - 1) * meta.time_steps;
  state.to = state.from + Math.max(1, count) * meta.time_steps;
  $("stimulus").value = state.stimulus;
  return draw();
}

const count = () => Math.max(1, Math.round((state.to - state.from) / meta.time_steps));

function step(by) {
  const at = lowerBound(recorded, state.stimulus);
  return goTo(recorded[Math.max(0, Math.min(recorded.length - 1, at + by))], count());
}

// ---------------------------------------------------------------- the network
function weightMatrices() { // the largest record of the layer's weights
  const all = variables(state.layer).filter((one) => one.signal === "weight");
  if (!all.length) return null;
  const size = (one) => one.indices.reduce((n, index) => n * index.length, 1);
  const one = all.reduce((a, b) => (size(b) > size(a) ? b : a));
  return { one, numbers: meta.axes[one.axis].numbers };
}

function small(look, title, x, y) {
  const axis = (text) => ({ title: { text, font: { size: 10 }, standoff: 4 }, gridcolor: look.line, zerolinecolor: look.line, tickfont: { size: 9 }, automargin: true });
  return { title: { text: title, font: { size: 12 }, y: 0.97 }, xaxis: axis(x), yaxis: axis(y), margin: { l: 52, r: 12, t: 28, b: 36 },
    paper_bgcolor: look.back, plot_bgcolor: look.back, font: { color: look.front }, legend: { font: { size: 9 }, orientation: "h", x: 0, y: 1.02, yanchor: "bottom" }, showlegend: true };
}

function perLayer(key, look, title, unit, element, range) {
  const rows = meta.metrics.filter((row) => row[key]), layers = rows.length ? rows[0][key].length : 0, traces = [];
  for (let k = 0; k < layers; k++) traces.push({ x: rows.map((row) => row.step), y: rows.map((row) => row[key][k]), name: `layer ${k + 1}`, mode: rows.length < 40 ? "lines+markers" : "lines",
    line: { color: tone(SHADES[k % SHADES.length]), width: 1.5, dash: k < 6 ? "solid" : "dot" }, marker: { size: 4 }, type: "scatter", hovertemplate: `layer ${k + 1}: %{y:.4g} ${unit}, stimulus %{x}<extra></extra>` });
  const layout = small(look, title, "stimuli per stream", unit);
  if (range) layout.yaxis.range = range;
  if (key === "probe_accuracy" && meta.chance !== null && layers)
    traces.push({ x: [rows[0].step, rows[rows.length - 1].step], y: [meta.chance, meta.chance], name: "chance", mode: "lines", line: { color: look.soft, dash: "dot", width: 1 }, type: "scatter" });
  const read = key === "probe_accuracy" ? meta.metrics.filter((row) => row.readout_accuracy !== undefined) : [];
  if (read.length) traces.push({ x: read.map((row) => row.step), y: read.map((row) => row.readout_accuracy), name: "own readout", mode: "lines+markers", line: { color: look.front, width: 1.5 }, marker: { size: 4, symbol: "square" }, type: "scatter",
    hovertemplate: `own readout: %{y:.4g} ${unit}, stimulus %{x}<extra></extra>` });
  if (!layers) layout.annotations = [{ text: "not measured", showarrow: false, x: 0.5, y: 0.5, xref: "paper", yref: "paper" }];
  return Plotly.react(element, traces, layout, { responsive: true, displayModeBar: false });
}

async function drawNetwork() {
  const mine = ++turn, look = theme(), whole = weightMatrices(), settings = { responsive: true, displayModeBar: false };
  const unit = whole ? whole.one.unit : "";
  if (whole) {
    const now = await matrix(whole.one, state.moment), before = state.moment ? await matrix(whole.one, state.moment - 1) : null, first = await matrix(whole.one, 0);
    if (mine !== turn) return;
    const columns = whole.one.indices[whole.one.indices.length - 1], posts = whole.one.indices[whole.one.indices.length - 2];
    const number = whole.numbers[state.moment], most = Math.max(...now.flat().map(Math.abs), 1e-12);
    const layout = small(look, `weights of layer ${state.layer}, stimulus ${number}`, "pre", "post");
    const rowName = now.length === posts.length ? posts : now.map((_, k) => k);
    await Plotly.react("matrix", [{ z: now, x: columns, y: rowName, type: "heatmap", zmin: -most, zmax: most, colorscale: [[0, "#D55E00"], [0.5, look.back], [1, tone("#0072B2")]],
      colorbar: { thickness: 10, title: { text: unit, side: "right", font: { size: 10 } }, tickfont: { size: 9 } }, hovertemplate: `%{x} → %{y}: %{z:.5g} ${unit}<extra></extra>` }], layout, settings);
    if (!drawNetwork.listens) { $("matrix").on("plotly_click", chosen); drawNetwork.listens = true; }
    const difference = (a, b) => a.flatMap((row, i) => row.map((value, j) => value - b[i][j]));
    const bars = [{ x: difference(now, first), name: `since stimulus ${whole.numbers[0]}`, colour: "#56B4E9" }];
    if (before && state.moment > 1) bars.push({ x: difference(now, before), name: `since stimulus ${whole.numbers[state.moment - 1]}`, colour: "#D55E00" });
    const histogram = small(look, `weight change until stimulus ${number}`, `ΔW (${unit})`, "synapses");
    Object.assign(histogram, { barmode: "overlay" });
    histogram.yaxis.type = "log";
    await Plotly.react("changes", bars.map((one) => ({ x: one.x, name: one.name, type: "histogram", nbinsx: 60, opacity: 0.7, marker: { color: one.colour }, hovertemplate: `%{y} synapses, ΔW %{x} ${unit}<extra></extra>` })), histogram, settings);
  }
  await perLayer("probe_accuracy", look, `linear probe (${meta.probe}), test`, "accuracy", "probes", [0, 1.03]);
  await perLayer("activity", look, "activity", meta.spiking ? "spikes/step" : "a.u.", "rates");
  await perLayer("open_gates", look, "open gates", "fraction", "gates", [0, 1.05]);
  await perLayer("loss", look, "loss of the rule", "per stimulus", "loss");
  $("note").textContent = `${meta.equation} · click a weight to see its synapse`;
  document.body.dataset.networkDrawn = String(mine);
  writeHash();
}

function chosen(event) {
  const { x, y } = event.points[0];
  if (!choices("post").includes(y) || !choices("pre").includes(x)) { $("note").textContent = `the factors of synapse ${x} → ${y} were not recorded; its weights alone were`; return; }
  Object.assign(state, { post: y, pre: x, view: "synapse" });
  draw();
}

// ---------------------------------------------------------------- page
function draw() {
  document.body.dataset.view = state.view;
  for (const name of ["synapse", "network"]) $("tab-" + name).setAttribute("aria-selected", String(name === state.view));
  fillChoosers();
  return state.view === "synapse" ? drawSynapse() : drawNetwork();
}

function setTheme(dark) { document.documentElement.classList.toggle("dark", dark); }

setTheme(matchMedia("(prefers-color-scheme: dark)").matches);
$("title").textContent = meta.title;
$("title").title = meta.citation;
for (const name of ["synapse", "network"]) $("tab-" + name).onclick = () => { state.view = name; draw(); };
for (const axis of ["layer", "post", "pre", "position", "stream"]) $(axis).onchange = (event) => { state[axis] = +event.target.value; draw(); event.target.blur(); };
$("previous").onclick = () => step(-1);
$("next").onclick = () => step(1);
$("wider").onclick = () => goTo(state.stimulus, count() * 2);
$("closer").onclick = () => goTo(state.stimulus, Math.max(1, Math.floor(count() / 2)));
$("stimulus").onchange = (event) => { goTo(+event.target.value || 1, count()); event.target.blur(); };
$("moment").oninput = (event) => { state.moment = +event.target.value; draw(); };
$("theme").onclick = () => { setTheme(!document.documentElement.classList.contains("dark")); draw(); };
$("link").onclick = async () => {
  writeHash();
  try { await navigator.clipboard.writeText(location.href); $("note").textContent = "link copied: " + location.href; }
  catch { $("note").textContent = "the link to this view: " + location.href; }
};
addEventListener("hashchange", () => { readHash(); draw(); });
addEventListener("keydown", (event) => {
  if (["INPUT", "SELECT"].includes(event.target.tagName) || event.ctrlKey || event.metaKey || event.altKey) return;
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (by && state.view === "synapse") { event.preventDefault(); step(by); }
  else if (by) { event.preventDefault(); state.moment = Math.max(0, Math.min(+$("moment").max, state.moment + by)); draw(); }
  else if (event.key === "+") $("closer").click();
  else if (event.key === "-") $("wider").click();
});
readHash();
draw().then(() => { document.body.dataset.ready = String(Math.round(performance.now())); });
