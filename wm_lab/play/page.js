"use strict";
// The page of `wm-lab play`: shows what the session sends and sends what is pressed. It decides nothing.

const $ = id => document.getElementById(id);
const SHOWN = 240; // steps in a chart
const GENTLE = 0.35; // of full scale, with Shift
const DEAD = 0.12; // of a gamepad's axis

let socket = null, hello = null, state = {}, history = [], latest = {};
let drawing = Promise.resolve(), times = [], delays = [], answered = 0, waiting = 0, summing = 0;

// The connection

function connect() {
  socket = new WebSocket(location.href.replace(/^http/, "ws").replace(/[#?].*$/, "") + "socket");
  socket.binaryType = "arraybuffer";
  socket.onmessage = event => typeof event.data === "string" ? told(JSON.parse(event.data)) : shown(event.data);
  socket.onclose = event => {
    release();
    if ($("elsewhere").open && !waiting) return;
    if (event.code === 1009) say("A message was larger than the session takes; it was left out.");
    else if (hello) say("The connection is lost; the session waits, and this page tries again. If the command has ended, start it again.", "lost");
    clearInterval(waiting); waiting = 0;
    setTimeout(connect, 1000);
  };
}

function send(message) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function told(message) {
  if (message.busy || message.left) return elsewhere(message.busy || message.left, Boolean(message.busy));
  if (message.hello) { hello = message.hello; begin(); }
  if (message.history) { history = message.history; chart(); }
  if (message.state) { state = message.state; refresh(); }
  if (message.say) say(message.say, "", message.clip);
}

function elsewhere(sentence, asking) {
  const dialog = $("elsewhere");
  dialog.querySelector("p").textContent = sentence;
  clearInterval(waiting);
  waiting = asking ? setInterval(() => send({do: "wait"}), 1000) : 0;
  if (!dialog.open) dialog.showModal();
}

$("take").onclick = () => {
  clearInterval(waiting); waiting = 0;
  $("elsewhere").close();
  if (socket.readyState === WebSocket.OPEN) send({do: "take over"}); else connect();
};

function say(sentence, kind = "", clip = "") {
  const box = document.createElement("div");
  box.textContent = sentence + " ";
  if (kind) { for (const old of document.querySelectorAll(`#toasts .${kind}`)) old.remove(); box.className = kind; }
  if (clip) {
    const link = document.createElement("a");
    link.href = clip; link.target = "_blank"; link.textContent = "Look at it";
    box.append(link);
  }
  $("toasts").append(box);
  setTimeout(() => box.remove(), 4000 + 60 * sentence.length);
}

// What is seen

function shown(data) {
  const view = new DataView(data), [head, left, right] = [0, 4, 8].map(at => view.getUint32(at, true));
  const moment = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 12, head)));
  const picture = (start, size) => createImageBitmap(new Blob([new Uint8Array(data, start, size)], {type: "image/jpeg"}));
  const both = Promise.all([picture(12 + head, left), picture(12 + head + left, right)]);
  drawing = drawing.then(() => both).then(pictures => draw(moment, pictures));
}

function draw(moment, [left, right]) {
  latest = moment;
  for (const [id, picture] of [["left", left], ["right", right]]) {
    const canvas = $(id), pen = canvas.getContext("2d");
    pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
    if (moment.plan && (id === "right" || !state.forked)) drawPlan(pen, canvas, moment.plan);
    picture.close();
  }
  if (moment.action) {
    const known = history.length && history[history.length - 1];
    if (!known || known.number !== moment.number || known.forked !== moment.forked) history.push(moment);
  }
  send({do: "drawn", number: moment.frame});
  const now = performance.now();
  times.push(now);
  times = times.filter(time => now - time < 2000);
  if (moment.stamp > answered) { delays.push(now - moment.stamp); delays = delays.slice(-40); answered = moment.stamp; }
  document.body.dataset.frame = moment.frame;
  if (!summing) summing = setTimeout(() => { summing = 0; chart(); notes(); }, 150); // words and lines need no hurry
}

function drawPlan(pen, canvas, plan) {
  const line = points => {
    pen.beginPath();
    points.forEach(([x, y], i) => pen[i ? "lineTo" : "moveTo"](x * canvas.width, y * canvas.height));
    pen.stroke();
  };
  pen.lineJoin = pen.lineCap = "round";
  plan.lines.forEach((points, i) => {
    pen.lineWidth = 1.8;
    pen.strokeStyle = `hsl(${250 - 190 * plan.ranks[i]} 90% ${45 + 20 * plan.ranks[i]}% / ${0.25 + 0.4 * plan.ranks[i]})`;
    line(points);
  });
  for (const [width, color] of [[7, "#000a"], [3.5, "#fff"]]) { pen.lineWidth = width; pen.strokeStyle = color; line(plan.chosen); }
}

function notes() {
  const left = $("left-note"), number = history.length ? history[history.length - 1].number : 0;
  const solved = history.some(step => step.success);
  left.className = solved ? "note good" : "note";
  left.textContent = state.forked ? "waits" : state.paused && !number ? "press Play, or a key" : `step ${number}${solved ? ", solved" : number > hello.limit ? `, past the ${hello.limit} of a policy` : ""}`;
  $("right-note").classList.toggle("manner", !state.forked);
  $("right-note").textContent = state.forked ? "alone: what if?" : hello.manner;
  document.querySelector(".truth").classList.toggle("waiting", Boolean(state.forked));
  const spell = value => value === null || value === undefined ? "–" : value.toFixed(Math.abs(value) < 10 ? 2 : 0);
  $("reward").value = spell(latest.reward); $("predicted").value = spell(latest.predicted); $("error").value = spell(latest.error);
  const rate = times.length > 1 ? 1000 * (times.length - 1) / (times[times.length - 1] - times[0]) : 0;
  const delay = delays.length ? [...delays].sort((a, b) => a - b)[delays.length >> 1] : 0;
  Object.assign(document.body.dataset, {rate: rate.toFixed(1), delay: delay.toFixed(0)});
  $("numbers").textContent = `${rate.toFixed(0)} pictures/s` + (delay ? ` · input to picture ${delay.toFixed(0)} ms` : "") +
    (latest.milliseconds ? ` · a step takes ${latest.milliseconds.toFixed(0)} ms` : "");
}

// Charts

function color(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

function chart() {
  const steps = history.slice(-SHOWN);
  plot($("rewards"), steps, [["reward", "--truth", 2], ["predicted", "--dream", 2]], false);
  plot($("errors"), steps, [["error", "--error", 2]], true);
}

function plot(canvas, steps, lines, fromZero) {
  const scale = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * scale)) { canvas.width = Math.round(width * scale); canvas.height = Math.round(height * scale); }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  const values = steps.flatMap(step => lines.map(([key]) => step[key])).filter(value => typeof value === "number");
  if (!values.length) return;
  let low = fromZero ? 0 : Math.min(...values), high = Math.max(...values);
  if (high - low < 1e-9) { high += 0.5; low -= fromZero ? 0 : 0.5; }
  const room = 46, right = width - room, x = i => steps.length < 2 ? 0 : i * right / (Math.max(steps.length, 60) - 1);
  const y = value => 4 + (height - 8) * (1 - (value - low) / (high - low));
  pen.fillStyle = color("--fork");
  const alone = steps.findIndex(step => step.forked);
  if (alone >= 0) pen.fillRect(x(Math.max(0, alone - 1)), 0, x(steps.length - 1) - x(Math.max(0, alone - 1)), height);
  pen.strokeStyle = color("--line"); pen.lineWidth = 1;
  pen.fillStyle = color("--soft"); pen.font = "11px system-ui"; pen.textBaseline = "middle";
  for (const value of [low, high]) {
    const at = Math.min(Math.max(y(value), 7), height - 7);
    pen.beginPath(); pen.moveTo(0, y(value)); pen.lineTo(right, y(value)); pen.stroke();
    pen.fillText(Number(value.toPrecision(2)), right + 5, at);
  }
  for (const [key, name, thick] of lines) {
    pen.strokeStyle = color(name); pen.lineWidth = thick; pen.lineJoin = "round";
    pen.beginPath();
    let open = false;
    steps.forEach((step, i) => {
      if (typeof step[key] !== "number") { open = false; return; }
      pen[open ? "lineTo" : "moveTo"](x(i), y(step[key])); open = true;
    });
    pen.stroke();
  }
}

// What is pressed

const pressed = new Set(), held = [], buttons = [], sliders = [];
let padded = null, sentAction = "";

function action() {
  return hello.controls.map((control, i) => {
    const gentle = pressed.has("Shift") ? GENTLE : 1;
    const more = pressed.has(control.more) || buttons[i] > 0, less = pressed.has(control.less) || buttons[i] < 0;
    if (control.held) {
      if (more !== less) held[i] = more ? 1 : -1;
      if (padded && padded[i]) held[i] = Math.sign(padded[i]);
      return held[i];
    }
    return Math.max(-1, Math.min(1, gentle * (more - less) + sliders[i] + (padded ? padded[i] : 0)));
  });
}

function act() {
  if (!hello) return;
  const wanted = action(), text = JSON.stringify(wanted);
  if (text === sentAction) return;
  sentAction = text;
  send({do: "act", action: wanted, stamp: performance.now()});
  mirror(wanted);
  if (state.paused && !history.length && state.driver === "person" && wanted.some((value, i) => value && !hello.controls[i].held)) send({do: "pause", on: false});
}

function mirror(values) {
  document.querySelectorAll(".axis").forEach((row, i) => {
    const slider = row.querySelector("input");
    if (document.activeElement !== slider || !slider.matches(":active")) slider.value = values[i];
    row.querySelector(".less").classList.toggle("on", values[i] < -0.01);
    row.querySelector(".more").classList.toggle("on", values[i] > 0.01);
  });
}

function release() {
  pressed.clear(); buttons.fill(0); sliders.fill(0);
  act();
}

const named = event => event.key.length === 1 ? event.key.toLowerCase() : event.key;

addEventListener("keydown", event => {
  if (!hello || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
  const key = named(event);
  const mine = hello.controls.some(control => control.less === key || control.more === key);
  if (mine || key === "Shift") { pressed.add(key); if (mine) event.preventDefault(); act(); return; }
  if (event.repeat || (event.target.matches("button") && key === " ")) return;
  const does = {" ": () => send({do: "pause", on: !state.paused}), ".": () => send({do: "step"}), Backspace: () => send({do: "reset", again: true})}[key];
  if (does) { event.preventDefault(); does(); }
});
addEventListener("keyup", event => { pressed.delete(named(event)); act(); });
addEventListener("blur", release);
document.addEventListener("visibilitychange", () => { if (document.hidden) release(); });

function readPad() {
  requestAnimationFrame(readPad);
  const pad = hello && [...navigator.getGamepads()].find(Boolean);
  if (!pad) { if (padded) { padded = null; act(); } return; }
  const value = index => pad.buttons[index] ? pad.buttons[index].value : 0;
  padded = hello.controls.map(({pad: words}) => {
    const [kind, a, b] = words.split(" ");
    if (kind === "axis") { const read = (a.startsWith("-") ? -1 : 1) * (pad.axes[Math.abs(a)] || 0); return Math.abs(read) < DEAD ? 0 : Math.round(50 * read) / 50; }
    return kind === "buttons" ? value(b) - value(a) : 0;
  });
  act();
}

function hold(button, index, sign) {
  const set = value => { buttons[index] = value; act(); };
  button.onpointerdown = event => { button.setPointerCapture(event.pointerId); set(sign); };
  button.onpointerup = button.onpointercancel = button.onlostpointercapture = () => set(0);
  button.onkeydown = event => { if (event.key === "Enter") set(sign); };
  button.onkeyup = event => { if (event.key === "Enter") set(0); };
  button.oncontextmenu = event => event.preventDefault();
}

const KEYS = {ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓"};

function row(control, index) {
  const made = document.createElement("div");
  made.className = "axis";
  const name = document.createElement("span");
  name.textContent = control.name;
  const end = (side, sign) => {
    const button = document.createElement("button");
    button.className = side;
    button.textContent = control.ends[sign > 0 ? 1 : 0];
    button.setAttribute("aria-label", `${control.name} ${control.ends[sign > 0 ? 1 : 0]}`);
    if (control[side]) { const key = document.createElement("kbd"); key.textContent = KEYS[control[side]] || control[side]; button.append(key); }
    hold(button, index, sign);
    return button;
  };
  const slider = document.createElement("input");
  Object.assign(slider, {type: "range", min: -1, max: 1, step: 0.02, value: 0});
  slider.setAttribute("aria-label", control.name);
  slider.oninput = () => { if (control.held) held[index] = Number(slider.value); else sliders[index] = Number(slider.value); act(); };
  slider.onpointerup = slider.onpointercancel = slider.onblur = () => { sliders[index] = 0; slider.blur(); act(); };
  made.append(name, end("less", -1), slider, end("more", 1));
  return made;
}

// The rest of the page

function begin() {
  $("task").textContent = hello.task;
  $("instruction").textContent = hello.instruction;
  for (const id of ["left", "right"]) {
    $(id).width = Math.round(420 * hello.shape[0] / hello.shape[1]); $(id).height = 420;
    $(id).parentElement.style.aspectRatio = `${hello.shape[0]} / ${hello.shape[1]}`;
  }
  $("unit").textContent = hello.unit;
  document.title = `${hello.task}, ${hello.model}`;
  pressed.clear();
  for (const list of [held, buttons, sliders]) { list.length = 0; list.push(...hello.controls.map(control => list === held && control.held ? control.ends[1] === "open" ? 1 : -1 : 0)); }
  $("controls").replaceChildren(...hello.controls.map(row));
  $("drivers").replaceChildren(...hello.drivers.map(who => {
    const button = document.createElement("button");
    button.textContent = who === "person" ? "me" : who;
    button.dataset.who = who;
    button.onclick = () => { send({do: "drive", who}); if (state.paused) send({do: "pause", on: false}); button.blur(); };
    return button;
  }));
  const option = (value, text) => Object.assign(document.createElement("option"), {value, textContent: text});
  const here = hello.models.some(model => model.id === hello.playing) ? [] : [option("", hello.model)];
  $("model").replaceChildren(...here, ...hello.models.map(model => option(model.id, `${model.label} · ${model.task} · ${model.detail}`)));
  $("model").value = hello.models.some(model => model.id === hello.playing) ? hello.playing : "";
  $("planner").replaceChildren(...hello.planners.map(name => option(name, name)));
  $("planner").value = hello.planner;
  $("plans").disabled = Boolean(hello["no plans"]);
  if (hello["no plans"]) $("plans").title = hello["no plans"];
  history = []; times = []; delays = []; sentAction = ""; answered = 0;
  act(); notes();
}

function refresh() {
  $("pause").textContent = state.paused ? "Play" : "Pause";
  $("pause").disabled = state.over && !state.forked;
  $("step").disabled = state.over && !state.forked;
  $("fork").setAttribute("aria-pressed", state.forked);
  $("fork").textContent = state.forked ? "Back to the truth" : "Fork: what if?";
  $("plans").setAttribute("aria-pressed", state.plans);
  $("speed").value = String(state.speed);
  for (const button of $("drivers").children) button.setAttribute("aria-pressed", button.dataset.who === state.driver);
  if (hello) notes();
}

const press = (id, message) => { $(id).onclick = () => { send(message()); $(id).blur(); }; };
press("pause", () => ({do: "pause", on: !state.paused}));
press("step", () => ({do: "step"}));
press("new", () => ({do: "reset"}));
press("again", () => ({do: "reset", again: true}));
press("resynchronise", () => ({do: "resynchronise"}));
press("fork", () => ({do: state.forked ? "join" : "fork"}));
press("plans", () => ({do: "plans", on: !state.plans}));
press("save", () => ({do: "save"}));
press("clip", () => ({do: "clip"}));
$("speed").onchange = () => { send({do: "speed", times: Number($("speed").value)}); $("speed").blur(); };
for (const id of ["model", "planner"]) $(id).onchange = () => {
  say("One moment: the model is being loaded, or trained first …");
  send({do: "choose", model: $("model").value, planner: $("planner").value});
  $(id).blur();
};
addEventListener("resize", chart);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", chart);
requestAnimationFrame(readPad);
connect();
