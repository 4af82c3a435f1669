/* The page's own script: taking recordings in, and hands in space on a canvas. No library, no network but this server.
   The hands are drawn by a small rasteriser in main memory, so that it works without a graphics card. */
(() => {
  "use strict";
  document.documentElement.classList.add("dark");
  const FINGERS = [[255, 99, 72], [255, 193, 7], [46, 204, 113], [52, 152, 219], [187, 107, 217]];
  const PALM = [236, 240, 241], SKIN = [[140, 165, 245], [130, 220, 165]];
  const LIGHT = unit([-0.35, -0.6, -0.72]), AMBIENT = 0.32;
  const TYPES = {i4: Int32Array, u1: Uint8Array, f4: Float32Array, i2: Int16Array, u2: Uint16Array};

  function unit(v) { const n = Math.hypot(...v); return v.map(x => x / n); }

  function unpack(buffer) {
    const length = new DataView(buffer).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    for (const [name, {at, type, shape}] of Object.entries(header.arrays)) {
      header[name] = new TYPES[type](buffer, 4 + length + at, shape.reduce((a, b) => a * b, 1));
    }
    return header;
  }

  class Scene {
    constructor(root) {
      this.root = root;
      this.canvas = root.appendChild(document.createElement("canvas"));
      this.layer = document.createElement("canvas");
      this.yaw = 0; this.pitch = 0; this.zoom = 1; this.time = 0; this.mesh = true; this.bones = true;
      this.greets = root.dataset.loop === "1";
      this.playing = this.greets; this.last = 0; this.dirty = true;
      fetch(root.dataset.src).then(r => { if (!r.ok) throw 0; return r.arrayBuffer(); })
        .then(b => this.start(unpack(b))).catch(() => { root.textContent = "The hand cannot be shown."; });
    }

    start(data) {
      this.data = data;
      const n = data.frame.length, c = data.centre;
      this.rows = new Map();
      for (let i = 0; i < n; i++) {
        if (!this.rows.has(data.frame[i])) this.rows.set(data.frame[i], []);
        this.rows.get(data.frame[i]).push(i);
      }
      this.frames = [...this.rows.keys()].sort((a, b) => a - b);
      const middle = axis => { const v = []; for (let i = 0; i < n; i++) v.push(c[3 * i + axis]); v.sort((a, b) => a - b); return v[n >> 1] || 0; };
      this.pivot = [middle(0), middle(1), middle(2)];
      let far = 0.1;
      for (let i = 0; i < n; i++) far = Math.max(far, Math.hypot(c[3 * i] - this.pivot[0], c[3 * i + 1] - this.pivot[1]) + 0.075);
      this.reach = Math.min(far, 0.45) * (this.greets ? 1.12 : 1.05);
      this.length = data.times.length ? data.times[data.times.length - 1] : 0;
      if (this.greets) { this.yaw = 0.35; this.pitch = -0.12; }
      this.tools();
      this.listen();
      this.root.dataset.ready = "1";
      const loop = now => { if (!this.root.isConnected) return; this.tick(now); requestAnimationFrame(loop); };
      requestAnimationFrame(loop);
      new ResizeObserver(() => { this.dirty = true; }).observe(this.root);
    }

    tools() {
      const hint = this.root.appendChild(document.createElement("div"));
      hint.className = "pl-hint"; hint.textContent = "drag to turn · scroll to zoom";
      const bar = this.root.appendChild(document.createElement("div"));
      bar.className = "pl-tools";
      const toggle = (text, key) => {
        const b = bar.appendChild(document.createElement("button"));
        b.type = "button"; b.textContent = text; b.setAttribute("aria-pressed", this[key]);
        b.onclick = () => { this[key] = !this[key]; b.setAttribute("aria-pressed", this[key]); this.dirty = true; };
      };
      toggle("Mesh", "mesh"); toggle("Bones", "bones");
      const back = bar.appendChild(document.createElement("button"));
      back.type = "button"; back.textContent = "As filmed";
      back.onclick = () => { this.yaw = this.pitch = 0; this.zoom = 1; this.dirty = true; };
      this.video = this.root.closest(".pl-pair")?.querySelector("video") || null;
      if (this.length > 0) {
        this.slider = bar.appendChild(document.createElement("input"));
        Object.assign(this.slider, {type: "range", min: 0, max: this.length, step: 0.001, value: 0});
        this.slider.setAttribute("aria-label", "Time");
        this.slider.oninput = () => {
          this.time = +this.slider.value; this.dirty = true;
          if (this.video) { this.video.pause(); this.video.currentTime = this.time; }
        };
      }
    }

    listen() {
      const at = new Map();
      let gap = 0;
      this.canvas.addEventListener("pointerdown", e => { at.set(e.pointerId, [e.clientX, e.clientY]); this.canvas.setPointerCapture(e.pointerId); this.held = true; });
      this.canvas.addEventListener("pointermove", e => {
        if (!at.has(e.pointerId)) return;
        const [x, y] = at.get(e.pointerId);
        at.set(e.pointerId, [e.clientX, e.clientY]);
        if (at.size === 2) {
          const [a, b] = [...at.values()], now = Math.hypot(a[0] - b[0], a[1] - b[1]);
          if (gap) this.zoom = Math.min(Math.max(this.zoom * now / gap, 0.4), 6);
          gap = now;
        } else {
          this.yaw += (e.clientX - x) * 0.01;
          this.pitch = Math.min(Math.max(this.pitch - (e.clientY - y) * 0.01, -1.5), 1.5);
        }
        this.dirty = true;
      });
      const up = e => { at.delete(e.pointerId); gap = 0; };
      this.canvas.addEventListener("pointerup", up);
      this.canvas.addEventListener("pointercancel", up);
      this.canvas.addEventListener("wheel", e => { e.preventDefault(); this.zoom = Math.min(Math.max(this.zoom * Math.exp(-e.deltaY * 0.0015), 0.4), 6); this.dirty = true; }, {passive: false});
      this.canvas.addEventListener("dblclick", () => { this.yaw = this.pitch = 0; this.zoom = 1; this.dirty = true; });
    }

    tick(now) {
      const step = Math.min((now - this.last) / 1000, 0.1);
      this.last = now;
      if (this.video) this.time = this.video.currentTime;
      else if (this.playing) this.time = (this.time + step) % (this.length + step + 0.05);
      if (this.greets && !this.held) { this.yaw = 0.42 * Math.sin(now / 2600); this.dirty = true; }
      const frame = this.frameAt(this.time);
      if (frame !== this.frame || this.dirty) {
        this.frame = frame; this.dirty = false;
        if (this.slider) this.slider.value = this.time;
        this.draw();
      }
    }

    frameAt(time) {
      const t = this.data.times;
      let low = 0, high = t.length - 1;
      while (low < high) { const mid = (low + high + 1) >> 1; if (t[mid] <= time + 1e-4) low = mid; else high = mid - 1; }
      return low - low % this.data.stride;
    }

    draw() {
      const box = this.root.getBoundingClientRect(), dpr = Math.min(window.devicePixelRatio || 1, 2);
      const w = Math.round(box.width * dpr), h = Math.round(box.height * dpr);
      if (w < 8 || h < 8) return;
      if (this.canvas.width !== w || this.canvas.height !== h) { this.canvas.width = w; this.canvas.height = h; }
      const g = this.canvas.getContext("2d");
      g.clearRect(0, 0, w, h);
      const rows = this.rows.get(this.frame) || [];
      const fine = w * h < 700000 ? 2 : 1, lw = w * fine, lh = h * fine;  // smooth edges: the layer is larger
      if (this.layer.width !== lw || this.layer.height !== lh) {
        this.layer.width = lw; this.layer.height = lh;
        this.depth = new Float32Array(lw * lh);
        this.pixels = this.layer.getContext("2d").createImageData(lw, lh);
        this.words = new Uint32Array(this.pixels.data.buffer);
      }
      const cy = Math.cos(this.yaw), sy = Math.sin(this.yaw), cp = Math.cos(this.pitch), sp = Math.sin(this.pitch);
      const away = this.reach / Math.tan(0.24), focal = Math.min(w, h) / 2 / Math.tan(0.24) * this.zoom, pivot = this.pivot;
      const view = (x, y, z) => {  // of the camera's frame, turned about the pivot: x right, y down, z forward
        const a = cy * x - sy * z, b = sy * x + cy * z;
        return [a, cp * y - sp * b, sp * y + cp * b];
      };
      this.view = view;
      const flat = (p, s) => { const q = focal / Math.max(p[2] + away, 0.02) * s; return [w * s / 2 + p[0] * q, h * s / 2 + p[1] * q, p[2]]; };
      if (this.mesh) {
        this.depth.fill(Infinity); this.words.fill(0);
        for (const row of rows) if (this.data.meshed[row]) this.skin(row, view, p => flat(p, fine), lw, lh);
        const l = this.layer.getContext("2d");
        l.putImageData(this.pixels, 0, 0);
        g.imageSmoothingQuality = "high";
        g.globalAlpha = this.bones ? 0.9 : 1;
        g.drawImage(this.layer, 0, 0, w, h);
        g.globalAlpha = 1;
      }
      if (this.bones) for (const row of rows) this.skeleton(g, row, p => flat(view(...p), 1), focal / away);
    }

    point(array, at, row) {
      const s = this.data.step, c = this.data.centre, p = this.pivot;
      return [array[at] * s + c[3 * row] - p[0], array[at + 1] * s + c[3 * row + 1] - p[1], array[at + 2] * s + c[3 * row + 2] - p[2]];
    }

    skin(row, view, flat, w, h) {
      const d = this.data, side = d.side[row], faces = side ? d.faces_right : d.faces_left, tint = SKIN[side];
      const count = d.arrays.points.shape[1], first = row * count * 3;
      const at = new Float32Array(count * 3), screen = new Float32Array(count * 3), normal = new Float32Array(count * 3);
      for (let v = 0; v < count; v++) {
        const p = view(...this.point(d.points, first + 3 * v, row)), q = flat(p);
        at.set(p, 3 * v); screen.set(q, 3 * v);
      }
      for (let f = 0; f < faces.length; f += 3) {
        const a = 3 * faces[f], b = 3 * faces[f + 1], c = 3 * faces[f + 2];
        const ux = at[b] - at[a], uy = at[b + 1] - at[a + 1], uz = at[b + 2] - at[a + 2];
        const vx = at[c] - at[a], vy = at[c + 1] - at[a + 1], vz = at[c + 2] - at[a + 2];
        const nx = uy * vz - uz * vy, ny = uz * vx - ux * vz, nz = ux * vy - uy * vx;
        for (const k of [a, b, c]) { normal[k] += nx; normal[k + 1] += ny; normal[k + 2] += nz; }
      }
      const lit = new Float32Array(count);
      for (let v = 0; v < count; v++) {
        const x = normal[3 * v], y = normal[3 * v + 1], z = normal[3 * v + 2], n = Math.hypot(x, y, z) || 1;
        const lamp = Math.max(0, (x * LIGHT[0] + y * LIGHT[1] + z * LIGHT[2]) / n), rim = Math.pow(1 - Math.min(1, Math.abs(z) / n), 3);
        lit[v] = AMBIENT + (1 - AMBIENT) * lamp + 0.16 * rim;
      }
      const depth = this.depth, words = this.words;
      for (let f = 0; f < faces.length; f += 3) {
        const i = faces[f], j = faces[f + 1], k = faces[f + 2];
        const ax = screen[3 * i], ay = screen[3 * i + 1], bx = screen[3 * j], by = screen[3 * j + 1], cx = screen[3 * k], cyy = screen[3 * k + 1];
        const area = (bx - ax) * (cyy - ay) - (by - ay) * (cx - ax);
        if (Math.abs(area) < 1e-6) continue;
        const x0 = Math.max(0, Math.floor(Math.min(ax, bx, cx))), x1 = Math.min(w - 1, Math.ceil(Math.max(ax, bx, cx)));
        const y0 = Math.max(0, Math.floor(Math.min(ay, by, cyy))), y1 = Math.min(h - 1, Math.ceil(Math.max(ay, by, cyy)));
        for (let y = y0; y <= y1; y++) for (let x = x0; x <= x1; x++) {
          const p = ((bx - x) * (cyy - y) - (by - y) * (cx - x)) / area, q = ((cx - x) * (ay - y) - (cyy - y) * (ax - x)) / area, r = 1 - p - q;
          if (p < 0 || q < 0 || r < 0) continue;
          const z = p * screen[3 * i + 2] + q * screen[3 * j + 2] + r * screen[3 * k + 2], o = y * w + x;
          if (z >= depth[o]) continue;
          depth[o] = z;
          const s = Math.min(1.12, p * lit[i] + q * lit[j] + r * lit[k]);
          words[o] = 0xff000000 | Math.min(255, tint[2] * s) << 16 | Math.min(255, tint[1] * s) << 8 | Math.min(255, tint[0] * s);
        }
      }
    }

    skeleton(g, row, flat, scale) {
      const d = this.data, p = [];
      for (let j = 0; j < 21; j++) p.push(flat(this.point(d.joints, row * 63 + 3 * j, row)));
      const width = Math.min(Math.max(0.0042 * scale, 1.5), 14);
      const colour = j => `rgb(${j ? FINGERS[(j - 1) >> 2] : PALM})`;
      g.lineCap = "round";
      for (const rim of [true, false]) for (const [a, b] of d.bones) {
        g.beginPath(); g.moveTo(p[a][0], p[a][1]); g.lineTo(p[b][0], p[b][1]);
        g.lineWidth = rim ? width + 2 : width; g.strokeStyle = rim ? "rgb(20,20,20)" : a ? colour(b) : `rgb(${PALM})`; g.stroke();
      }
      for (let j = 0; j < 21; j++) {
        g.beginPath(); g.arc(p[j][0], p[j][1], width * 0.9, 0, 7); g.fillStyle = colour(j); g.fill();
        g.lineWidth = 1.2; g.strokeStyle = "rgb(20,20,20)"; g.stroke();
      }
    }
  }

  /* Taking recordings in */
  let pending = Promise.resolve("");
  const size = bytes => bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;

  function drop(root) {
    root.dataset.on = "1";
    const zone = root.querySelector(".pl-zone"), input = zone.querySelector("input"), chosen = root.querySelector(".pl-chosen");
    const said = root.querySelector(".pl-said"), most = +root.dataset.megabytes * 1e6, seconds = +root.dataset.seconds;
    let live = null, upload = null;
    const say = text => { said.textContent = text; said.hidden = !text; };
    const clear = () => {
      if (live) { live.getTracks().forEach(t => t.stop()); live = null; }
      if (upload) { upload.abort(); upload = null; }
      chosen.querySelectorAll("video,img").forEach(m => m.src && URL.revokeObjectURL(m.src));
      chosen.replaceChildren(); chosen.hidden = true; zone.style.display = ""; input.value = ""; pending = Promise.resolve(""); say("");
      delete root.dataset.token;
    };
    const named = (text, small, ...buttons) => {
      const row = document.createElement("div"); row.className = "pl-name";
      const name = row.appendChild(document.createElement("span")); name.textContent = text; name.title = text;
      if (small) row.appendChild(document.createElement("small")).textContent = small;
      for (const [label, act] of buttons) { const b = row.appendChild(document.createElement("button")); b.type = "button"; b.textContent = label; b.onclick = act; }
      chosen.appendChild(row); return row;
    };
    const take = (file, name) => {
      clear();
      if (file.size > most) { say(`${name}: ${size(file.size)}; at most ${size(most)} are taken. Cut it, or use palmar track.`); return; }
      if (!file.size) { say(`${name}: empty file.`); return; }
      const media = document.createElement((file.type || "").startsWith("image/") ? "img" : "video");
      media.src = URL.createObjectURL(file); media.muted = true; media.playsInline = true; media.loop = true; media.autoplay = true;
      media.onerror = () => media.remove();
      media.onloadedmetadata = () => { if (media.duration > seconds + 0.5 && isFinite(media.duration)) { clear(); say(`${name}: ${Math.round(media.duration)} s long; at most ${seconds} s are taken. Cut it, or use palmar track.`); } };
      chosen.appendChild(media); named(name, size(file.size), ["Remove", clear]);
      const meter = chosen.appendChild(document.createElement("progress")); meter.max = 1; meter.value = 0;
      chosen.hidden = false; zone.style.display = "none";
      pending = new Promise(done => {
        const x = upload = new XMLHttpRequest();
        x.open("POST", `/palmar/upload?name=${encodeURIComponent(name)}`); x.setRequestHeader("X-Palmar", "1");
        x.upload.onprogress = e => { meter.value = e.lengthComputable ? e.loaded / e.total : 0; };
        x.onload = () => {
          meter.remove(); upload = null;
          let told = {}; try { told = JSON.parse(x.responseText); } catch { /* not ours */ }
          if (x.status === 200) { root.dataset.token = told.token; done(told.token); } else { clear(); say(told.error || "The upload did not work."); done(""); }
        };
        x.onerror = () => { meter.remove(); upload = null; clear(); say("The server does not answer; is palmar app still running?"); done(""); };
        x.onabort = () => done("");
        x.send(file);
      });
    };
    input.onchange = () => input.files[0] && take(input.files[0], input.files[0].name);
    for (const kind of ["dragover", "dragleave", "drop"]) root.addEventListener(kind, e => {
      e.preventDefault(); zone.classList.toggle("pl-over", kind === "dragover");
      if (kind === "drop" && e.dataTransfer.files[0]) take(e.dataTransfer.files[0], e.dataTransfer.files[0].name);
    });
    root.querySelector(".pl-demo").onclick = () => {
      clear(); named("Demo: five seconds of a hand", "", ["Remove", clear]); chosen.hidden = false; zone.style.display = "none";
      pending = Promise.resolve("demo"); root.dataset.token = "demo";
      document.querySelector("button.pl-go, .pl-go button")?.click();
    };
    root.querySelector(".pl-cam").onclick = async () => {
      clear();
      if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) { say("This browser gives no webcam to this page (it does on 127.0.0.1 and over https)."); return; }
      try { live = await navigator.mediaDevices.getUserMedia({video: {width: {ideal: 1280}, height: {ideal: 720}}, audio: false}); }
      catch { say("No webcam, or its use was not allowed."); return; }
      const media = chosen.appendChild(document.createElement("video"));
      media.className = "pl-live"; media.srcObject = live; media.muted = true; media.playsInline = true; media.play();
      chosen.hidden = false; zone.style.display = "none";
      const parts = [], recorder = new MediaRecorder(live);
      recorder.ondataavailable = e => e.data.size && parts.push(e.data);
      recorder.onstop = () => { const kind = recorder.mimeType.split(";")[0] || "video/webm"; take(new Blob(parts, {type: kind}), `webcam.${kind.endsWith("mp4") ? "mp4" : "webm"}`); };
      const row = named("Webcam", "", ["Record", e => {
        if (recorder.state === "inactive") {
          const begun = Date.now(); recorder.start(1000); e.target.textContent = "Stop";
          const clock = setInterval(() => { const s = (Date.now() - begun) / 1000; row.firstChild.textContent = `Recording, ${s.toFixed(0)} s`; if (recorder.state === "inactive") clearInterval(clock); else if (s > seconds - 1) recorder.stop(); }, 250);
        } else recorder.stop();
      }], ["Cancel", clear]);
    };
  }

  document.addEventListener("click", async e => {  // an export is made when it is asked for, and may fail with a reason
    const link = e.target.closest?.(".pl-get a[data-kind]");
    if (!link || link.dataset.ready) return;
    e.preventDefault();
    if (link.getAttribute("aria-busy") === "true") return;
    link.setAttribute("aria-busy", "true");
    try {
      const r = await fetch(`${link.href}?ready`), told = await r.json();
      if (r.ok) { link.dataset.ready = "1"; link.click(); delete link.dataset.ready; link.classList.remove("pl-bad"); }
      else { link.classList.add("pl-bad"); link.querySelector("small").textContent = told.error; }
    } catch { link.classList.add("pl-bad"); link.querySelector("small").textContent = "The server does not answer."; }
    link.removeAttribute("aria-busy");
  });

  const look = () => {
    const now = document.querySelector(".pl-work, .pl-trouble, .pl-result");
    if (now && !now.dataset.on && innerWidth <= 900) now.scrollIntoView({behavior: "smooth", block: "start"});
    if (now) now.dataset.on = "1";
    document.querySelectorAll(".pl-scene:not([data-on])").forEach(root => { root.dataset.on = "1"; new Scene(root); });
    document.querySelectorAll("#pl-drop:not([data-on])").forEach(drop);
  };
  new MutationObserver(look).observe(document, {childList: true, subtree: true});
  window.palmar = {token: () => pending, unpack};
})();
