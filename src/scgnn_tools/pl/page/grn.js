"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const { nodes, edges, columns, groups } = data;
  const n = nodes.name.length, m = edges.source.length;
  const index = new Map(nodes.name.map((name, i) => [name, i]));
  const COLOUR = { 1: "#0b8f8a", "-1": "#d1495b", 0: "#8d99a6" }, TF = "#243b53", TARGET = "#829ab1", INK = "#1f2933";
  const canvas = at("canvas"), onScreen = canvas.getContext("2d");
  let ctx = onScreen;
  const outgoing = nodes.name.map(() => []), incoming = nodes.name.map(() => []);
  for (let e = 0; e < m; e++) { outgoing[edges.source[e]].push(e); incoming[edges.target[e]].push(e); }
  const scores = edges.score, low = Math.min(...minmax(scores)), high = Math.max(...minmax(scores));
  const deepest = 1 + Math.max(0, minmax(edges.rank)[1], minmax(edges.pair)[1]);
  const strength = (e) => (high > low ? (scores[e] - low) / (high - low) : 1);
  const specific = data.specificity >= 0 ? columns[data.specificity] : null, narrow = specific ? minmax(specific.values.filter((v) => v !== null)) : [0, 0];
  // shown: the best edge of each pair that the filters let through; passed: all of them
  const state = { gene: -1, edge: -1, hover: -1, least: low, specific: narrow[0], top: data.start, shown: new Uint8Array(m), passed: new Uint8Array(m), degree: new Uint32Array(n), factors: 1, largest: 1, rows: {} };
  const ofPair = new Map();
  for (let e = 0; e < m; e++) { const k = edges.source[e] * n + edges.target[e]; if (!ofPair.has(k)) ofPair.set(k, []); ofPair.get(k).push(e); }
  const together = (e) => ofPair.get(edges.source[e] * n + edges.target[e]);
  const view = { x: 0, y: 0, k: 1 };

  function minmax(values) { let a = Infinity, b = -Infinity; for (const v of values) { if (v < a) a = v; if (v > b) b = v; } return values.length ? [a, b] : [0, 1]; }
  function element(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) key.startsWith("on") ? node.addEventListener(key.slice(2), value) : node.setAttribute(key, value);
    node.append(...children.filter((c) => c !== null && c !== undefined));
    return node;
  }
  const number = (v) => (v === null ? "–" : Math.abs(v) >= 1000 ? v.toLocaleString("en") : Number(v.toPrecision(3)).toString());

  // ---- what is shown
  function filter() {
    const group = groups.length ? Number(at("group").value) : -1, on = (id) => at(id).checked;
    const sign = { 1: on("up"), "-1": on("down"), 0: on("open") };
    const rank = group < 0 ? edges.pair : edges.rank;
    state.degree.fill(0); state.shown.fill(0);
    let count = 0;
    for (let e = 0; e < m; e++) {
      const enough = !specific || state.specific <= narrow[0] || (specific.values[e] !== null && specific.values[e] >= state.specific);
      state.passed[e] = scores[e] >= state.least && enough && (edges.known[e] ? on("known") : on("new")) && sign[edges.sign[e]] && (group < 0 || edges.group[e] === group) ? 1 : 0;
    }
    for (const list of ofPair.values()) {
      const e = list.find((k) => state.passed[k]);
      if (e !== undefined && (rank[e] < state.top || edges.source[e] === state.gene || edges.target[e] === state.gene)) { state.shown[e] = 1; count++; state.degree[edges.source[e]]++; state.degree[edges.target[e]]++; }
    }
    state.factors = 1; state.largest = 1;
    for (let i = 0; i < n; i++) if (nodes.factor[i] && state.degree[i]) { state.factors++; state.largest = Math.max(state.largest, state.degree[i]); }
    at("least").textContent = number(state.least); at("most").textContent = state.top >= deepest ? "all" : state.top;
    at("shown").textContent = `${count.toLocaleString("en")} of ${(group < 0 ? ofPair.size : m).toLocaleString("en")} ${!groups.length ? "edges" : group < 0 ? "pairs" : "edges (pair × group)"}`;
    if (specific) at("unspecific").textContent = state.specific <= narrow[0] ? "any" : number(state.specific);
    details();
    draw();
  }

  // ---- places: data (unit disk) <-> screen
  const screen = (i) => [nodes.x[i] * view.k + view.x, nodes.y[i] * view.k + view.y];
  function fit() {
    const w = canvas.clientWidth, h = canvas.clientHeight, here = [...nodes.name.keys()].filter((i) => state.degree[i]);
    const [ax, bx] = here.length ? minmax(here.map((i) => nodes.x[i])) : [-1, 1], [ay, by] = here.length ? minmax(here.map((i) => nodes.y[i])) : [-1, 1];
    view.k = Math.min(2000, Math.max(40, Math.min((w - 120) / Math.max(bx - ax, 0.05), (h - 110) / Math.max(by - ay, 0.05))));
    view.x = w / 2 - ((ax + bx) / 2) * view.k; view.y = h / 2 - ((ay + by) / 2) * view.k + 8;
    draw();
  }
  function centre(i) {
    view.k = Math.max(view.k, Math.min(canvas.clientWidth, canvas.clientHeight) / 2);
    view.x = canvas.clientWidth / 2 - nodes.x[i] * view.k; view.y = canvas.clientHeight / 2 - nodes.y[i] * view.k;
  }
  function zoom(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
    const k = Math.min(40000, Math.max(60, view.k * factor)), f = k / view.k;
    view.x = x - (x - view.x) * f; view.y = y - (y - view.y) * f; view.k = k;
    draw();
  }
  const radius = (i) => {
    const grow = Math.min(2.2, Math.max(0.75, Math.sqrt(view.k / 380)));
    const crowd = Math.min(1, Math.max(0.5, Math.sqrt(70 / state.factors)));
    return (nodes.factor[i] ? (3.6 + 8 * Math.sqrt(state.degree[i] / state.largest)) * crowd : 2.8) * grow;
  };

  // ---- drawing
  let waiting = false;
  function draw() { if (!waiting) { waiting = true; requestAnimationFrame(paint); } }
  function resize() {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(canvas.clientWidth * ratio); canvas.height = Math.round(canvas.clientHeight * ratio);
  }
  function curve(e) {
    const [ax, ay] = screen(edges.source[e]), [bx, by] = screen(edges.target[e]);
    const bend = 0.12, mx = (ax + bx) / 2 - (by - ay) * bend, my = (ay + by) / 2 + (bx - ax) * bend;
    ctx.beginPath(); ctx.moveTo(ax, ay); ctx.quadraticCurveTo(mx, my, bx, by); ctx.stroke();
    return [mx, my, bx, by];
  }
  function arrow([mx, my, bx, by], gap, repress) {
    const a = Math.atan2(by - my, bx - mx), x = bx - Math.cos(a) * gap, y = by - Math.sin(a) * gap;
    ctx.beginPath(); ctx.setLineDash([]);
    if (repress) { ctx.moveTo(x + 5 * Math.sin(a), y - 5 * Math.cos(a)); ctx.lineTo(x - 5 * Math.sin(a), y + 5 * Math.cos(a)); ctx.stroke(); return; }
    ctx.moveTo(x, y); ctx.lineTo(x - 8 * Math.cos(a - 0.4), y - 8 * Math.sin(a - 0.4)); ctx.lineTo(x - 8 * Math.cos(a + 0.4), y - 8 * Math.sin(a + 0.4)); ctx.closePath();
    ctx.fillStyle = ctx.strokeStyle; ctx.fill();
  }
  function paint() {
    waiting = false;
    const ratio = window.devicePixelRatio || 1, w = canvas.clientWidth, h = canvas.clientHeight;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0); ctx.clearRect(0, 0, w, h);
    picture(w, h);
  }
  function picture(w, h) {
    const chosen = state.gene >= 0;
    const mine = new Set(chosen ? [...outgoing[state.gene], ...incoming[state.gene]].filter((e) => state.shown[e]) : []);
    const near = new Set([state.gene]);
    for (const e of mine) { near.add(edges.source[e]); near.add(edges.target[e]); }
    let count = 0;
    for (let e = 0; e < m; e++) count += state.shown[e];
    const light = Math.min(1, Math.max(0.35, 14 / Math.sqrt(count || 1))), dashes = count <= 900, far = Math.min(1, Math.max(0.22, 90 / (count || 1)));
    const petal = (e) => nodes.home[edges.target[e]] === edges.source[e];
    ctx.lineCap = "round";
    for (const known of [0, 1]) for (let e = m - 1; e >= 0; e--) { // the best and the known on top
      if (!state.shown[e] || edges.known[e] !== known || mine.has(e)) continue;
      ctx.strokeStyle = COLOUR[edges.sign[e]];
      ctx.globalAlpha = chosen ? 0.05 : (petal(e) ? light : light * far) * (known ? 0.9 : 0.45 + 0.35 * strength(e));
      ctx.lineWidth = (known ? 1.2 : 0.6) + 1.2 * strength(e);
      ctx.setLineDash(!known && dashes && !chosen ? [5, 4] : []);
      curve(e);
    }
    for (const e of mine) {
      ctx.strokeStyle = COLOUR[edges.sign[e]]; ctx.globalAlpha = edges.known[e] || e === state.edge ? 1 : 0.75;
      ctx.lineWidth = (e === state.edge ? 2.6 : 1) + 1.8 * strength(e); ctx.setLineDash(edges.known[e] ? [] : [6, 4]);
      arrow(curve(e), radius(edges.target[e]) + 3, edges.sign[e] < 0);
    }
    ctx.setLineDash([]);
    for (const factor of [0, 1]) for (let i = 0; i < n; i++) {
      if (nodes.factor[i] !== factor || (!state.degree[i] && i !== state.gene)) continue;
      const [x, y] = screen(i);
      if (x < -30 || y < -30 || x > w + 30 || y > h + 30) continue;
      ctx.globalAlpha = chosen && !near.has(i) ? 0.16 : 1;
      ctx.beginPath(); ctx.arc(x, y, radius(i), 0, 2 * Math.PI); ctx.fillStyle = factor ? TF : TARGET; ctx.fill();
      ctx.lineWidth = 1.2; ctx.strokeStyle = "#fff"; ctx.stroke();
      if (i === state.gene || i === state.hover) { ctx.beginPath(); ctx.arc(x, y, radius(i) + 3, 0, 2 * Math.PI); ctx.strokeStyle = INK; ctx.lineWidth = 1.6; ctx.stroke(); }
    }
    labels(w, h, chosen, near);
    ctx.globalAlpha = 1;
  }
  function labels(w, h, chosen, near) { // the most important first; none on top of another
    const taken = [], order = data.order.filter((i) => (state.degree[i] || i === state.gene) && (!chosen || near.has(i)));
    if (chosen) order.sort((a, b) => (b === state.gene) - (a === state.gene));
    ctx.textAlign = "center"; ctx.lineJoin = "round";
    for (const i of order) {
      const [x, y] = screen(i), factor = nodes.factor[i], size = i === state.gene ? 15 : factor ? 11.5 : 10.5;
      if (x < 0 || y < 0 || x > w || y > h) continue;
      ctx.font = `${factor || i === state.gene ? 600 : 400} ${size}px system-ui, "DejaVu Sans", sans-serif`;
      const name = nodes.name[i].length > 24 ? `${nodes.name[i].slice(0, 23)}…` : nodes.name[i];
      const half = ctx.measureText(name).width / 2 + 2, top = y - radius(i) - 4;
      const box = [x - half, top - size, x + half, top + 2];
      if (i !== state.gene && taken.some((b) => box[0] < b[2] && box[2] > b[0] && box[1] < b[3] && box[3] > b[1])) continue;
      taken.push(box);
      ctx.globalAlpha = 1; ctx.strokeStyle = "rgba(255,255,255,.92)"; ctx.lineWidth = 3; ctx.strokeText(name, x, top);
      ctx.fillStyle = factor ? TF : INK; ctx.fillText(name, x, top);
    }
  }

  // ---- the panel
  const conflict = columns.find((c) => c.name === "sign conflict");
  function evidence(e) {
    const proof = element("dl", { class: "proof" });
    const say = (what, value, help) => proof.append(element("dt", help ? { title: help, class: "told" } : {}, what), element("dd", {}, value));
    if (groups.length) say("group", groups[edges.group[e]]);
    say("score", number(scores[e]), data.words.score);
    for (const c of columns) if (c.values[e] !== null && c.values[e] !== "") say(c.name, typeof c.values[e] === "number" ? number(c.values[e]) : String(c.values[e]), c.help);
    return proof;
  }
  function row(e, other) {
    const sign = edges.sign[e], kind = sign > 0 ? "up" : sign < 0 ? "down" : "open";
    const odd = conflict && conflict.values[e] === "yes" ? element("span", { class: "odd", title: "The prior and the cells tell opposite signs" }, "±") : null;
    const line = element("div", { class: "row" },
      element("b", {}, nodes.name[other], odd),
      element("div", { class: "bar" }, element("i", { class: kind, style: `width:${Math.round(100 * Math.max(0.04, strength(e)))}%` })),
      element("span", { class: "n" }, number(scores[e])));
    const here = groups.length ? together(e).filter((k) => state.passed[k]) : [];
    const chips = here.length ? element("div", { class: "groups" }, ...here.slice(0, 6).map((k) => element("span", { title: `score ${number(scores[k])}` }, groups[edges.group[k]])), here.length > 6 ? element("span", {}, `+${here.length - 6}`) : null) : null;
    const box = element("div", { class: `edge${e === state.edge ? " on" : ""}`, "data-edge": `${nodes.name[edges.source[e]]}>${nodes.name[edges.target[e]]}`, onclick: () => open(e) }, line, chips);
    if (e === state.edge) {
      for (const k of here.length ? here : [e]) box.append(evidence(k));
      box.append(element("dl", { class: "proof" }, element("dt", {}, "see"), element("dd", {}, element("button", { class: "go", onclick: (event) => { event.stopPropagation(); select(other); } }, nodes.name[other]))));
    }
    return box;
  }
  const LISTS = [["Known targets", 1, "outgoing"], ["New targets", 0, "outgoing"], ["Known regulators", 1, "incoming"], ["New regulators", 0, "incoming"]];
  function listing(i, [title, known, way]) {
    const [all, end] = way === "outgoing" ? [outgoing[i], edges.target] : [incoming[i], edges.source];
    const mine = all.filter((e) => edges.known[e] === known), here = mine.filter((e) => state.shown[e]);
    return { title, end, here, n: new Set(mine.map((e) => end[e])).size };
  }
  function details() {
    const box = at("details"), i = state.gene, top = box.scrollTop;
    box.replaceChildren();
    if (i < 0) { box.append(element("p", { class: "quiet", id: "hint" }, "Click a gene, or search for one, to see its edges and what speaks for them."), glossary()); return; }
    box.append(element("h2", { id: "gene" }, nodes.name[i], element("small", {}, nodes.factor[i] ? "transcription factor" : "target"), element("button", { title: "Close", onclick: () => select(-1) }, "×")));
    for (const kind of LISTS) {
      const { title, end, here, n: count } = listing(i, kind);
      if (!count) continue;
      const most = state.rows[title] || 30;
      const section = element("section", { id: title.toLowerCase().replace(" ", "-") }, element("h3", {}, `${title} (${here.length}${count > here.length ? `, ${count - here.length} hidden by the filters` : ""})`));
      for (const e of here.slice(0, most)) section.append(row(e, end[e]));
      if (here.length > most) section.append(element("button", { class: "more", onclick: () => { state.rows[title] = Infinity; details(); } }, `Show all ${here.length}`));
      box.append(section);
    }
    box.append(glossary());
    box.scrollTop = top;
  }
  function glossary() {
    const told = [["score", data.words.score], ["known", data.words.known], ["new", data.words.new], ...columns.filter((c) => c.help).map((c) => [c.name, c.help])];
    const list = element("dl", { class: "proof words" });
    for (const [name, help] of told) list.append(element("dt", {}, name), element("dd", {}, help));
    return element("details", { id: "words" }, element("summary", {}, "What the words mean"), list);
  }
  function select(i, move = false) {
    state.gene = i; state.edge = -1; state.rows = {};
    at("details").scrollTop = 0;
    if (i >= 0 && move) centre(i);
    const hash = i >= 0 ? `#gene=${encodeURIComponent(nodes.name[i])}` : "#";
    if (location.hash !== hash) { try { history.replaceState(null, "", hash); } catch (error) { /* a page inside a notebook has no address */ } }
    filter();
  }
  function open(e) {
    state.edge = state.edge === e ? -1 : e;
    for (const kind of LISTS) if (listing(state.gene, kind).here.indexOf(e) >= 30) state.rows[kind[0]] = Infinity;
    details(); draw();
    const box = document.querySelector(".edge.on");
    if (box) box.scrollIntoView({ block: "nearest" });
  }

  // ---- search
  let first = 0, results = [];
  function search() {
    const text = at("search").value.trim().toUpperCase();
    results = [];
    if (text) {
      for (const i of data.order) {
        const name = nodes.name[i].toUpperCase(), place = name.indexOf(text);
        if (place >= 0) results.push([name === text ? 0 : place === 0 ? 1 : 2, i]);
      }
      results = results.sort((a, b) => a[0] - b[0]).slice(0, 12).map((r) => r[1]);
    }
    first = 0; list();
  }
  function list() {
    const box = at("found");
    box.hidden = !at("search").value.trim();
    box.replaceChildren(...results.map((i, k) => element("li", { class: k === first ? "on" : "", onmousedown: (event) => { event.preventDefault(); choose(i); } },
      element("span", {}, nodes.name[i]), element("small", {}, nodes.factor[i] ? `factor, ${new Set(outgoing[i].map((e) => edges.target[e])).size} targets` : `${new Set(incoming[i].map((e) => edges.source[e])).size} regulators`))));
    if (!results.length) box.append(element("li", { class: "quiet" }, "no such gene in this network"));
  }
  function choose(i) { at("search").value = ""; at("found").hidden = true; at("search").blur(); select(i, true); }
  at("search").addEventListener("input", search);
  at("search").addEventListener("blur", () => { at("found").hidden = true; });
  at("search").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && results.length) choose(results[first]);
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") { first = (first + (event.key === "ArrowDown" ? 1 : -1) + results.length) % Math.max(1, results.length); list(); event.preventDefault(); }
    else if (event.key === "Escape") { at("search").value = ""; at("search").blur(); }
  });

  // ---- mouse, touch, keys
  const pointers = new Map();
  let moved = 0, gap = 0;
  function under(x, y) {
    let best = -1, least = 144;
    for (let i = 0; i < n; i++) {
      if (!state.degree[i]) continue;
      const [a, b] = screen(i), d = Math.max(0, Math.hypot(a - x, b - y) - radius(i)) ** 2 - (nodes.factor[i] ? 1 : 0);
      if (d < least && d < 36) { best = i; least = d; }
    }
    return best;
  }
  const place = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  canvas.addEventListener("pointerdown", (event) => { pointers.set(event.pointerId, place(event)); moved = 0; if (event.isTrusted) canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = place(event), before = pointers.get(event.pointerId);
    if (before && pointers.size === 1) {
      view.x += x - before[0]; view.y += y - before[1]; moved += Math.abs(x - before[0]) + Math.abs(y - before[1]);
      pointers.set(event.pointerId, [x, y]); canvas.classList.add("moving"); draw(); return;
    }
    if (before && pointers.size === 2) {
      pointers.set(event.pointerId, [x, y]);
      const [[ax, ay], [bx, by]] = [...pointers.values()], d = Math.hypot(ax - bx, ay - by);
      if (gap) zoom(d / gap, (ax + bx) / 2, (ay + by) / 2);
      gap = d; moved = 99; return;
    }
    const i = under(x, y), tip = at("tip");
    canvas.classList.toggle("over", i >= 0); tip.hidden = i < 0;
    if (i >= 0) { const [a, b] = screen(i); tip.textContent = `${nodes.name[i]} · ${state.degree[i]} edges`; tip.style.left = `${a}px`; tip.style.top = `${b - radius(i)}px`; }
    if (i !== state.hover) { state.hover = i; draw(); }
  });
  function release(event) {
    if (event.type === "pointerup" && pointers.has(event.pointerId) && moved < 5) { const i = under(...place(event)); select(i); }
    pointers.delete(event.pointerId); gap = 0; canvas.classList.remove("moving");
  }
  canvas.addEventListener("pointerup", release); canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => { at("tip").hidden = true; state.hover = -1; draw(); });
  canvas.addEventListener("wheel", (event) => { event.preventDefault(); zoom(Math.exp(-event.deltaY * 0.0016), ...place(event)); }, { passive: false });
  canvas.addEventListener("dblclick", fit);
  at("in").onclick = () => zoom(1.5); at("out").onclick = () => zoom(1 / 1.5); at("fit").onclick = fit;
  addEventListener("keydown", (event) => {
    if (event.target === at("search")) return;
    if (event.key === "/") { event.preventDefault(); at("search").focus(); }
    else if (event.key === "Escape") select(-1);
    else if (event.key === "+" || event.key === "=") zoom(1.3);
    else if (event.key === "-") zoom(1 / 1.3);
    else if (event.key === "0") fit();
  });

  // ---- files: the picture as it stands, the edges as they are filtered
  const NS = ["http:", "", "www.w3.org", "2000", "svg"].join("/");
  class Drawing { // what the picture asks of a canvas, as SVG
    constructor() { this.parts = []; this.globalAlpha = 1; this.dash = []; }
    setLineDash(dash) { this.dash = dash; }
    measureText(text) { onScreen.font = this.font; return onScreen.measureText(text); }
    beginPath() { this.path = ""; }
    moveTo(x, y) { this.path += `M${x.toFixed(1)} ${y.toFixed(1)}`; }
    lineTo(x, y) { this.path += `L${x.toFixed(1)} ${y.toFixed(1)}`; }
    quadraticCurveTo(a, b, x, y) { this.path += `Q${a.toFixed(1)} ${b.toFixed(1)} ${x.toFixed(1)} ${y.toFixed(1)}`; }
    arc(x, y, r) { this.path += `M${(x - r).toFixed(1)} ${y.toFixed(1)}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`; }
    closePath() { this.path += "Z"; }
    add(tag, attributes, text = "") {
      const told = Object.entries({ ...attributes, opacity: this.globalAlpha }).map(([k, v]) => `${k}="${escaped(String(v))}"`).join(" ");
      this.parts.push(`<${tag} ${told}>${escaped(text)}</${tag}>`);
    }
    stroke() { this.add("path", { d: this.path, fill: "none", stroke: this.strokeStyle, "stroke-width": this.lineWidth, "stroke-dasharray": this.dash.join(" ") || "none" }); }
    fill() { this.add("path", { d: this.path, fill: this.fillStyle }); }
    words(text, x, y, look) { this.add("text", { x: x.toFixed(1), y: y.toFixed(1), "text-anchor": "middle", style: `font:${this.font}`, ...look }, text); }
    strokeText(text, x, y) { this.words(text, x, y, { fill: "none", stroke: this.strokeStyle, "stroke-width": this.lineWidth }); }
    fillText(text, x, y) { this.words(text, x, y, { fill: this.fillStyle }); }
  }
  const escaped = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
  function asSvg() {
    const w = canvas.clientWidth, h = canvas.clientHeight, drawing = new Drawing();
    ctx = drawing;
    try { picture(w, h); } finally { ctx = onScreen; }
    return `<svg xmlns="${NS}" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}"><rect width="${w}" height="${h}" fill="#fff"/>${drawing.parts.join("")}</svg>`;
  }
  function asCsv() {
    const cell = (v) => (v === null || v === undefined ? "" : /[",\n\r]/.test(String(v)) ? `"${String(v).replace(/"/g, '""')}"` : String(v));
    const head = [...(groups.length ? ["group"] : []), "source", "target", "score", "known", "sign", ...columns.map((c) => c.name)];
    const lines = [head.map(cell).join(",")];
    for (let e = 0; e < m; e++) if (state.passed[e] && together(e).some((k) => state.shown[k])) {
      const own = [nodes.name[edges.source[e]], nodes.name[edges.target[e]], scores[e], Boolean(edges.known[e]), edges.sign[e] || ""];
      lines.push([...(groups.length ? [groups[edges.group[e]]] : []), ...own, ...columns.map((c) => c.values[e])].map(cell).join(","));
    }
    return lines.join("\n") + "\n";
  }
  function keep(blob, name) {
    const link = element("a", { download: name });
    link.setAttribute("href", URL.createObjectURL(blob));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.getAttribute("href")), 1000);
  }
  at("svg").onclick = () => keep(new Blob([asSvg()], { type: "image/svg+xml" }), "network.svg");
  at("csv").onclick = () => keep(new Blob([asCsv()], { type: "text/csv" }), "network.csv");
  at("png").onclick = () => {
    const big = document.createElement("canvas"), scale = 3, w = canvas.clientWidth, h = canvas.clientHeight;
    big.width = w * scale; big.height = h * scale;
    ctx = big.getContext("2d"); ctx.fillStyle = "#fff"; ctx.fillRect(0, 0, big.width, big.height); ctx.setTransform(scale, 0, 0, scale, 0, 0);
    try { picture(w, h); } finally { ctx = onScreen; }
    big.toBlob((blob) => keep(blob, "network.png"));
  };

  // ---- begin
  at("title").textContent = data.title; at("subtitle").textContent = data.subtitle; at("verdict").textContent = data.verdict;
  if (groups.length) {
    at("grouping").hidden = false;
    at("group").append(element("option", { value: "-1" }, "all"), ...groups.map((name, k) => element("option", { value: String(k) }, name)));
    at("group").onchange = filter;
  }
  const slider = at("score");
  const toScore = (v) => low + (high - low) * (v / 1000);
  slider.value = "0";
  const depth = at("top");
  depth.max = String(deepest); depth.value = String(data.start);
  depth.oninput = () => { state.top = Number(depth.value); filter(); };
  if (specific) {
    at("specificity").hidden = false;
    at("specificity").title = specific.help || "";
    const least = at("specific");
    least.value = "0";
    least.oninput = () => { state.specific = narrow[0] + (narrow[1] - narrow[0]) * (Number(least.value) / 1000); filter(); };
  }
  slider.oninput = () => { state.least = Number(slider.value) === 0 ? low : toScore(Number(slider.value)); filter(); };
  for (const id of ["known", "new", "up", "down", "open"]) at(id).onchange = filter;
  function follow() {
    const wanted = new URLSearchParams(location.hash.slice(1)), name = wanted.get("gene"), pair = wanted.get("edge");
    if (pair) {
      const e = edges.source.findIndex((s, k) => `${nodes.name[s]}>${nodes.name[edges.target[k]]}` === pair);
      const gene = index.get(pair.split(">")[0]);
      if (e >= 0) { reveal(e); select(edges.source[e]); open(together(e).find((k) => state.shown[k]) ?? e); } else if (gene !== undefined) select(gene);
    } else if (name && index.has(name) && index.get(name) !== state.gene) select(index.get(name));
  }
  function reveal(e) {
    if (state.shown[e]) return;
    state.least = low; slider.value = "0"; state.specific = narrow[0]; at("specific").value = "0";
    filter();
  }
  addEventListener("hashchange", follow);
  addEventListener("resize", () => { resize(); draw(); });
  resize(); filter(); fit(); follow(); paint();
  window.sgt = { select: (name) => index.has(name) && select(index.get(name), true), screen: (name) => screen(index.get(name)), state, view, svg: asSvg, csv: asCsv };
  document.documentElement.dataset.ready = `${n} genes, ${m} edges`;
})();
