"use strict";
// The page: state comes by server-sent events, pictures by number when they are new. Text is only ever set as text.
const $ = (id) => document.getElementById(id);
const KEPT = 64; // pictures of a series that cine plays
let role = "viewer", state = null, chosen = null, series = null, frames = {}, playing = 0, values = {};
let incoming = { id: null, seen: -1 };

function row(cells, numeric = []) {
  const made = document.createElement("tr");
  cells.forEach((text, at) => {
    const cell = made.insertCell();
    if (numeric.includes(at)) cell.className = "n";
    cell.textContent = text;
  });
  return made;
}
const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

async function ask(path, body) {
  const how = body ? { method: "POST", body: JSON.stringify(body) } : {};
  const answer = await fetch(path, how);
  const found = await answer.json().catch(() => ({ error: answer.statusText }));
  if (!answer.ok) throw new Error(found.error || answer.statusText);
  return found;
}

// --- live
function showServer() {
  if (state.fault) { $("server").textContent = state.fault; return; }
  const server = state.server, running = state.sessions.filter((each) => each.state === "running").length;
  const word = server.draining ? "being stopped" : server.ready ? "ready" : server.fault || "loading";
  $("server").textContent = `port ${server.port}: ${word}, ${running} running, ${state.totals.images} images`;
}
function showSessions() {
  const rows = [...state.sessions].reverse().map((each) => {
    const made = row([each.id, each.chain || "", each.state, each.readouts, each.images, megabytes(each.bytes),
      each.lag.toFixed(1), each.seconds.toFixed(1)], [3, 4, 5, 6, 7]);
    made.cells[2].className = each.state;
    made.tabIndex = 0;
    made.dataset.session = each.id;
    if (each.id === chosen) made.className = "on";
    made.onclick = () => choose(each.id);
    made.onkeydown = (event) => { if (event.key === "Enter") choose(each.id); };
    return made;
  });
  $("sessions").replaceChildren(...rows);
  $("none").hidden = rows.length > 0;
}
function choose(session) { chosen = session; series = null; frames = {}; incoming = { id: null, seen: -1 }; show(); }
function show() {
  showServer();
  if (state.fault) return;
  const running = [...state.sessions].reverse().find((each) => each.state === "running");
  if (!chosen && (running || state.sessions.length)) chosen = (running || state.sessions.at(-1)).id;
  showSessions();
  const one = state.sessions.find((each) => each.id === chosen);
  $("one").hidden = !one;
  if (!one) return;
  $("title").textContent = `${one.id} ${one.chain || ""}`;
  $("outcome").textContent = one.error ? `${one.state}: ${one.error}` : one.state;
  $("outcome").className = one.state;
  $("warnings").replaceChildren(...one.texts.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  const most = Math.max(...one.gadgets.map((each) => each.seconds), 1e-9);
  $("gadgets").replaceChildren(...one.gadgets.map((each) => {
    const made = row([each.name, each.seconds.toFixed(2), each.items, each.queue, ""], [1, 2, 3]);
    made.cells[4].append(Object.assign(document.createElement("meter"), { max: most, value: each.seconds }));
    return made;
  }));
  $("cancel").hidden = role !== "operator" || one.state !== "running";
  if (series === null || !one.series.includes(series)) series = one.series.length ? one.series[0] : null;
  $("series").replaceChildren(...one.series.map((each) => {
    const made = Object.assign(document.createElement("button"), { textContent: `series ${each}`, className: each === series ? "on" : "" });
    made.onclick = () => { series = each; show(); };
    return made;
  }));
  look(one);
  watch(one);
}

// What comes in: k-space so far, the noise of the coils, the heartbeat.
const WORDS = {
  kspace: (it) => `k-space: ${it.levels[0]} of ${it.levels[1]} lines`,
  noise: (it) => it.marks.length ? `no noise in channel ${it.marks.join(", ")}: dead?`
    : `noise: ${it.levels.length} channels, ${Math.min(...it.levels).toFixed(2)} to ${Math.max(...it.levels).toFixed(2)} of the median`,
  trace: (it) => `physiology: the last ${it.levels[0].toFixed(1)} s`,
};
async function watch(one) {
  if (incoming.id === one.id && incoming.seen === one.view) return;
  incoming = { id: one.id, seen: one.view };
  for (const name of Object.keys(WORDS)) {
    const figure = $(name).parentElement;
    figure.hidden = !one.views.includes(name);
    if (figure.hidden) continue;
    try {
      const found = await ask(`/api/picture/${encodeURIComponent(one.id)}?view=${name}`);
      if (one.id !== chosen) return;
      (name === "trace" ? curves : cells)($(name), found);
      $(`${name}-said`).textContent = WORDS[name](found);
      $(`${name}-said`).className = found.marks?.length ? "warn" : "";
    } catch { incoming.seen = -1; }
  }
}
const bytes = (found) => Uint8Array.from(atob(found.pixels), (each) => each.charCodeAt(0));
function cells(canvas, found) {
  canvas.width = found.width; canvas.height = found.height;
  const made = new ImageData(found.width, found.height);
  bytes(found).forEach((each, at) => made.data.set([each * .35, each * .65, each, 255], 4 * at));
  canvas.getContext("2d").putImageData(made, 0, 0);
}
function curves(canvas, found) {
  canvas.width = 512; canvas.height = 128;
  const context = canvas.getContext("2d"), all = bytes(found), tall = canvas.height / found.height;
  context.strokeStyle = "#6cc08b";
  for (let row = 0; row < found.height; row++) {
    context.beginPath();
    for (let at = 0; at < found.width; at++) {
      const y = tall * (row + .95 - .9 * all[row * found.width + at] / 255);
      context.lineTo(at * canvas.width / Math.max(found.width - 1, 1), y);
    }
    context.stroke();
  }
}
async function look(one) {
  const mine = series;
  if (mine === null) { $("image").getContext("2d").clearRect(0, 0, 384, 384); $("about").textContent = ""; return; }
  const held = (frames[mine] ||= { seen: -1, list: [] });
  if (held.seen === one.preview) { draw(); return; }
  held.seen = one.preview;
  try {
    const found = await ask(`/api/picture/${encodeURIComponent(one.id)}?series=${mine}`);
    const last = held.list.at(-1);
    if (!last || last.number !== found.number || last.slice !== found.slice || last.pixels !== found.pixels) held.list.push(found);
    if (held.list.length > KEPT) held.list.shift();
  } catch { held.seen = -1; }
  draw();
}
function draw() {
  const held = frames[series], context = $("image").getContext("2d");
  if (!held || !held.list.length) return;
  const found = held.list[$("cine").checked ? playing % held.list.length : held.list.length - 1];
  const bytes = Uint8Array.from(atob(found.pixels), (each) => each.charCodeAt(0));
  const width = Number($("window").value), level = Number($("level").value), low = level - width / 2;
  const small = new ImageData(found.width, found.height);
  for (let at = 0; at < bytes.length; at++) {
    const grey = Math.max(0, Math.min(255, (bytes[at] - low) * 255 / width));
    small.data.set([grey, grey, grey, 255], 4 * at);
  }
  const canvas = $("image"), edge = 384 / Math.max(found.width, found.height);
  const hidden = new OffscreenCanvas(found.width, found.height);
  hidden.getContext("2d").putImageData(small, 0, 0);
  canvas.width = Math.round(found.width * edge); canvas.height = Math.round(found.height * edge);
  context.imageSmoothingEnabled = false;
  context.drawImage(hidden, 0, 0, canvas.width, canvas.height);
  $("about").textContent = `image ${found.number}, slice ${found.slice}, ${found.low.toPrecision(3)} to ${found.high.toPrecision(3)}`;
}
$("window").oninput = $("level").oninput = $("cine").onchange = draw;
setInterval(() => { if ($("cine").checked) { playing++; draw(); } }, 100);
$("cancel").onclick = () => ask("/api/cancel", { session: chosen }).catch((error) => { $("outcome").textContent = error.message; });

// --- history
async function showHistory() {
  const found = await ask("/api/history");
  $("entries").replaceChildren(...found.map((each) => {
    const made = row([each.begun.slice(0, 19).replace("T", " "), each.name, each.state, each.images ?? "", megabytes(each.bytes), each.rerun, ""], [3, 4]);
    made.cells[2].className = each.state;
    if (role === "operator") {
      const button = Object.assign(document.createElement("button"), { textContent: "re-run" });
      button.onclick = () => { $("entry").value = each.name; view("chains"); };
      made.cells[6].append(button);
    }
    return made;
  }));
}

// --- chains
async function showChains() {
  if ($("chain").options.length) return;
  const names = await ask("/api/chains");
  $("chain").replaceChildren(...names.map((each) => new Option(each, each)));
  await showForm();
}
async function showForm() {
  values = {};
  said("", "");
  const gadgets = await ask(`/api/chains/${encodeURIComponent($("chain").value)}`);
  $("graph").replaceChildren(...gadgets.map((each) => Object.assign(document.createElement("li"), { textContent: each.gadget })));
  $("form").replaceChildren(...gadgets.filter((each) => each.parameters.length).map(part));
}
function part(gadget) {
  const made = document.createElement("fieldset");
  made.append(Object.assign(document.createElement("legend"), { textContent: gadget.gadget }),
    Object.assign(document.createElement("p"), { textContent: gadget.does }));
  for (const each of gadget.parameters) {
    const label = document.createElement("label"), name = `${gadget.gadget}.${each.name}`;
    label.append(Object.assign(document.createElement("span"), { textContent: each.name }), knob(each, name),
      Object.assign(document.createElement("small"), { textContent: each.schema.description || "" }));
    made.append(label);
  }
  return made;
}
function knob(one, name) {
  const options = one.schema.enum || (one.schema.type === "boolean" ? [true, false] : null);
  const made = options ? document.createElement("select") : document.createElement("input");
  if (options) made.replaceChildren(...options.map((each) => new Option(String(each), String(each))));
  made.value = one.value === null ? "" : typeof one.value === "object" ? JSON.stringify(one.value) : String(one.value);
  made.name = name;
  made.onchange = () => { values[name] = made.value; };
  return made;
}
function said(text, how) { $("said").textContent = text; $("said").className = how; }
const asked = () => ({ chain: $("chain").value, parameters: values });
$("form").onsubmit = (event) => event.preventDefault();
$("chain").onchange = showForm;
$("check").onclick = async () => {
  try {
    const found = await ask("/api/check", asked());
    $("graph").replaceChildren(...found.gadgets.map((each) => Object.assign(document.createElement("li"), { textContent: each })));
    said("This chain would run.", "good");
  } catch (error) { said(error.message, "bad"); }
};
$("rerun").onclick = async () => {
  try {
    await ask("/api/rerun", { ...asked(), entry: $("entry").value });
    chosen = null;
    view("live");
  } catch (error) { said(error.message, "bad"); }
};

// --- all
const SHOW = { live: () => {}, history: showHistory, chains: showChains };
function view(name) {
  for (const each of Object.keys(SHOW)) $(each).hidden = each !== name;
  document.querySelectorAll("nav button").forEach((each) => each.classList.toggle("on", each.dataset.view === name));
  Promise.resolve(SHOW[name]()).catch((error) => { $("server").textContent = error.message; });
}
document.querySelectorAll("nav button").forEach((each) => { each.onclick = () => view(each.dataset.view); });
ask("/api/me").then((found) => {
  role = found.role;
  document.querySelectorAll(".operator").forEach((each) => { each.hidden = role !== "operator"; });
  $("cancel").hidden = true;
  const events = new EventSource("/api/events");
  events.onmessage = (event) => { state = JSON.parse(event.data); show(); };
  events.onerror = () => { $("server").textContent = "the page's server does not answer"; };
});
