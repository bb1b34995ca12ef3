"use strict";
// The pages of the server: a form for every model ("try"), and its REST API ("docs").
// Names come from data that nobody checked, so they only ever become text, never HTML.
(() => {
  const MOST_BARS = 10;
  const IMAGES = "image/jpeg,image/png,image/gif,image/bmp";
  const byId = (id) => document.getElementById(id);

  // An element with attributes, functions that listen, and children (elements or texts).
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "function") element.addEventListener(name, value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value != null) element.setAttribute(name, value);
    }
    element.append(...children.filter((c) => c != null));
    return element;
  }

  function show(place, ...children) {
    place.replaceChildren(...children.filter((c) => c != null));
  }

  const notice = (text) => show(byId("notice"), text ? make("p", { class: "card warn" }, text) : null);

  // --- requests ---------------------------------------------------------------------------------

  let token = sessionStorage.getItem("rootstock-token");

  class Refused extends Error {}

  async function request(path, body) {
    const bytes = String.fromCharCode(...new TextEncoder().encode(token || "")); // headers are bytes
    const headers = token ? { Authorization: `Bearer ${bytes}` } : {};
    if (body) headers["Content-Type"] = "application/json";
    let response;
    try {
      response = await fetch(path, { method: body ? "POST" : "GET", headers, body });
    } catch {
      throw new Error("The server does not answer. Is it still running?");
    }
    const text = await response.text();
    if (response.status === 401) throw new Refused(token ? "The server does not accept this token." : "");
    const answer = JSON.parse(quoted(text));
    if (!response.ok) throw new Error(answer.error);
    return answer;
  }

  // JSON of TensorFlow Serving has NaN and Infinity, which browsers refuse: outside of strings
  // they become null.
  function quoted(text) {
    return text.replace(/"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g, (m) => (m[0] === '"' ? m : "null"));
  }

  async function load(path, draw) {
    try {
      const content = await request(path);
      byId("access").hidden = true;
      notice("");
      draw(content);
    } catch (error) {
      byId("access").hidden = !(error instanceof Refused);
      notice(error.message);
    }
  }

  // --- the form ---------------------------------------------------------------------------------

  // An input of the form: {label, element, read(), clear()}. read() gives the value of the request:
  // a text, a number (NaN if missing), or {b64, file} for a picture.
  function fieldOf(field, asks) {
    const id = `input-${fieldOf.count++}`;
    const makers = { image: picture, choice, number, text };
    return { name: field.name, ...(makers[field.asks] || text)(field, id, asks) };
  }
  fieldOf.count = 0;

  function hint(id, ...parts) {
    const text = parts.filter(Boolean).join(" ");
    return text ? make("small", { id: `${id}-hint`, class: "soft" }, text) : null;
  }

  function labelled(field, id, control, note) {
    if (note) control.setAttribute("aria-describedby", note.id);
    return make("div", { class: "field" }, make("label", { for: id }, field.name), control, note);
  }

  function text(field, id) {
    const control = field.hint
      ? make("input", { id, placeholder: field.hint })
      : make("textarea", { id, rows: 4 });
    const note = hint(id, field.hint && `Written as ${field.hint}.`);
    const clear = () => { control.value = ""; };
    return { element: labelled(field, id, control, note), read: () => control.value, clear };
  }

  function number(field, id) {
    const control = make("input", { id, type: "number", step: "any" });
    const known = field.low !== null && `In training ${field.low} to ${field.high}.`;
    if (field.usual !== null) control.value = field.usual;
    const read = () => (control.value === "" ? NaN : Number(control.value));
    const clear = () => { control.value = ""; };
    return { element: labelled(field, id, control, hint(id, known, "Empty: missing.")), read, clear };
  }

  function choice(field, id) {
    const few = field.choices.length <= 40 && !field.others;
    const options = field.choices.map((c) => make("option", { value: c }, c));
    const control = few
      ? make("select", { id }, make("option", { value: "" }, "(missing)"), ...options)
      : make("input", { id, list: `${id}-list` });
    if (field.usual !== null) control.value = field.usual;
    const list = few ? null : make("datalist", { id: `${id}-list` }, ...options);
    const more = field.others && `${field.choices.length} of ${field.choices.length + field.others} values are listed.`;
    const element = labelled(field, id, control, hint(id, more, !few && "Empty: missing."));
    if (list) element.append(list);
    return { element, read: () => control.value, clear: () => { control.value = ""; } };
  }

  function picture(field, id, asks) {
    let chosen = null;
    const preview = make("img", { alt: "", hidden: true });
    const said = make("span", {}, "Drop a picture here, or choose one.");
    const file = make("input", { id, type: "file", accept: IMAGES, change: () => take(file.files[0]) });
    const stage = make("div", { class: "camera" });
    const camera = make("button", { type: "button", click: () => photograph(stage, take) }, "Use camera");
    const drop = make("div", { class: "drop" }, preview, said, file, camera, stage);
    function take(blob) {
      if (!blob) return;
      const reader = new FileReader();
      reader.onload = () => {
        const file = blob.name || "photo.jpg";
        chosen = { b64: reader.result.split(",")[1] || "", file };
        preview.src = reader.result;
        preview.alt = `The picture ${file}`;
        preview.hidden = false;
        said.textContent = `${file}, ${blob.size.toLocaleString("en")} bytes`;
        asks();
      };
      reader.readAsDataURL(blob);
    }
    function over(event) {
      event.preventDefault();
      drop.classList.toggle("over", event.type === "dragover");
    }
    drop.addEventListener("dragover", over);
    drop.addEventListener("dragleave", over);
    drop.addEventListener("drop", (event) => {
      over(event);
      take(event.dataTransfer.files[0]);
    });
    const clear = () => {
      chosen = null;
      preview.hidden = true;
      file.value = "";
      said.textContent = "Drop a picture here, or choose one.";
    };
    const note = hint(id, "JPEG, PNG, GIF or BMP.");
    file.setAttribute("aria-describedby", note.id);
    const element = make("div", { class: "field" }, make("label", { for: id }, field.name), drop, note);
    return { element, read: () => chosen || { b64: "", file: "picture.jpg" }, clear };
  }

  async function photograph(stage, take) {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch {
      const secure = "Browsers allow it on https:// and on this machine (localhost) only.";
      show(stage, make("p", {}, `The camera cannot be used. ${window.isSecureContext ? "" : secure}`));
      return;
    }
    const video = make("video", { autoplay: true, playsinline: true, "aria-label": "Camera" });
    video.muted = true;
    video.srcObject = stream;
    const stop = () => {
      stream.getTracks().forEach((track) => track.stop());
      show(stage);
    };
    const shoot = () => {
      const canvas = make("canvas", { width: video.videoWidth, height: video.videoHeight });
      canvas.getContext("2d").drawImage(video, 0, 0);
      canvas.toBlob(take, "image/jpeg", 0.92);
      stop();
    };
    show(stage, video, make("p", {}, make("button", { type: "button", click: shoot }, "Take picture"), " ",
      make("button", { type: "button", click: stop }, "Stop camera")));
  }

  // --- the answers ------------------------------------------------------------------------------

  const percent = (p) => (p === null ? "not a number" : `${(100 * p).toFixed(p > 0.0005 && p < 0.9995 ? 1 : 2)} %`);

  function bars(rows) {
    const list = (shown) => shown.map(([name, p, best]) => {
      const bar = make("span", { class: "fill" });
      bar.style.width = `${100 * Math.min(Math.max(p || 0, 0), 1)}%`;
      return make("li", best ? { class: "best" } : {}, make("span", { class: "who" }, name),
        make("span", { class: "track", "aria-hidden": "true" }, bar), make("span", { class: "much" }, percent(p)));
    });
    const whole = make("ol", { class: "probabilities" }, ...list(rows.slice(0, MOST_BARS)));
    if (rows.length <= MOST_BARS) return [whole];
    const more = make("button", { type: "button", click: () => { show(whole, ...list(rows)); more.remove(); } },
      `Show all ${rows.length}`);
    return [whole, more];
  }

  function answered(answer, value) {
    const values = Array.isArray(value) ? value.flat(Infinity) : [value];
    const { classes, several, decision } = answer;
    const title = make("h3", {}, answer.name);
    const card = (...parts) => make("section", { class: "card" }, title, ...parts);
    const said = (text) => make("p", { class: "said" }, text);
    if (classes.length === 2 && values.length === 1 && !several) {
      const p = values[0];
      const rows = [[classes[1], p, p > decision], [classes[0], p === null ? null : 1 - p, p <= decision]];
      rows.sort((a, b) => b[1] - a[1]);
      const note = decision === 0.5 ? null
        : make("p", { class: "soft" }, `${classes[1]} from ${percent(decision)}.`);
      return card(said(p > decision ? classes[1] : classes[0]), ...bars(rows), note);
    }
    if (classes.length && classes.length === values.length) {
      const best = values.indexOf(Math.max(...values));
      const rows = classes.map((c, i) => [c, values[i], several ? values[i] > decision : i === best]);
      rows.sort((a, b) => b[1] - a[1]);
      const names = rows.filter((r) => r[2]).map((r) => r[0]);
      return card(said(names.join(", ") || "none"), ...bars(rows));
    }
    const plain = (v) => (typeof v === "number" ? Number(v.toPrecision(5)) : v === null ? "not a number" : JSON.stringify(v));
    return card(said(values.slice(0, 100).map(plain).join(", ")));
  }

  // --- the request as code ----------------------------------------------------------------------

  const HIDDEN = /[\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
  const literal = (value) => JSON.stringify(value).replace(HIDDEN,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
  const shell = (text) => `'${text.replace(/'/g, "'\\''")}'`;

  // The value as JSON (the body), in the shell, in Python, and as Python for the client.
  const isPicture = (value) => typeof value === "object";
  const json = (value) => (isPicture(value) ? literal({ b64: value.b64 }) : Number.isNaN(value) ? "NaN" : literal(value));
  const opened = (value) => `open(${literal(value.file)}, "rb").read()`;
  const python = (value) => (isPicture(value) ? `{"b64": base64.b64encode(${opened(value)}).decode()}`
    : Number.isNaN(value) ? 'float("nan")' : literal(value));
  const native = (value) => (isPicture(value) ? opened(value) : python(value));

  const bodyOf = (row) => `{"instances": [{${row.map(([n, v]) => `${literal(n)}: ${json(v)}`).join(", ")}}]}`;

  function snippets(row, target, grpcPort) {
    const url = `${location.origin}${target.path}:predict`;
    const gap = row.length > 1 ? "\n  " : "";
    const parts = ["{\"instances\": [{"];
    row.forEach(([name, value], i) => {
      const key = `${i ? "," : ""}${gap}${literal(name)}: `;
      if (isPicture(value)) parts.push(`${parts.pop()}${key}{"b64": "`, value.file, "\"}");
      else parts.push(`${parts.pop()}${key}${json(value)}`);
    });
    parts.push(`${parts.pop()}}]}`);
    const bearer = token ? " \\\n  -H \"Authorization: Bearer $TOKEN\"" : "";
    const head = `-H 'Content-Type: application/json'${bearer}`;
    const curl = parts.length === 1
      ? `curl ${shell(url)} \\\n  ${head} \\\n  -d ${shell(parts[0])}`
      : `{ ${parts.map((p, i) => (i % 2 ? `base64 < ${shell(p)} | tr -d '\\n'` : `printf %s ${shell(p)}`)).join("\n  ")}\n} | curl ${shell(url)} \\\n  ${head} \\\n  --data-binary @-`;
    const entries = (show) => row.map(([n, v]) => `    ${literal(n)}: ${show(v)},\n`).join("");
    const headers = token ? '{"Content-Type": "application/json", "Authorization": f"Bearer {os.environ[\'TOKEN\']}"}'
      : '{"Content-Type": "application/json"}';
    const modules = ["json", "urllib.request", row.some(([, v]) => isPicture(v)) && "base64", token && "os"];
    const imports = modules.filter(Boolean).sort().map((m) => `import ${m}\n`).join("");
    const rest = `${imports}\nrow = {\n${entries(python)}}\nbody = json.dumps({"instances": [row]}).encode()\n`
      + `headers = ${headers}\nrequest = urllib.request.Request(\n    ${literal(url)}, body, headers\n)\nprint(json.load(urllib.request.urlopen(request)))`;
    const scheme = location.protocol === "https:" ? "grpcs" : "grpc";
    const chosen = target.label ? `, label=${literal(target.label)}` : target.version ? `, version=${target.version}` : "";
    const grpc = `${token ? "import os\n\n" : ""}from serving.client.client import Client  # of Rootstock\n\nrow = {\n${entries((v) => `[${native(v)}]`)}}\n`
      + `address = ${literal(`${scheme}://${location.hostname}:${grpcPort}`)}\nwith Client(address, ${literal(target.model)}${chosen}${token ? ', token=os.environ["TOKEN"]' : ""}) as client:\n    print(client.predict(row))`;
    return { curl, Python: rest, ...(grpcPort ? { gRPC: grpc } : {}) };
  }

  function codeBlock(name, code) {
    const block = make("pre", { tabindex: "0", role: "region", "aria-label": `The request by ${name}` }, make("code", {}, code));
    const copy = make("button", { type: "button", click: async () => {
      try {
        await navigator.clipboard.writeText(code);
        copy.textContent = "Copied";
      } catch { // only allowed on https:// and localhost
        getSelection().selectAllChildren(block);
        copy.textContent = "Selected: press Ctrl+C";
      }
    } }, `Copy ${name}`);
    return make("div", {}, make("div", { class: "over-code" }, make("h3", {}, name), copy), block);
  }

  // --- the pages --------------------------------------------------------------------------------

  function tryPage({ models, grpc_port: grpcPort }) {
    const place = byId("try");
    const ready = models.filter((m) => m.versions.length);
    if (!ready.length) {
      notice("No model is ready yet. Load this page again in a moment.");
      return;
    }
    const options = ready.flatMap((model) => {
      const path = `/v1/models/${encodeURIComponent(model.name)}`;
      const [newest] = model.versions;
      const labels = Object.entries(model.labels);
      const option = (title, described, rest) => ({ title, described, model: model.name, ...rest });
      return [
        option(`${model.name}, newest version (${newest.version})`, newest, { path }),
        ...labels.map(([label, n]) => option(`${model.name}, ${label} (version ${n})`,
          model.versions.find((v) => v.version === n) || newest, { path: `${path}/labels/${encodeURIComponent(label)}`, label })),
        ...model.versions.slice(1).map((v) => option(`${model.name}, version ${v.version}`, v,
          { path: `${path}/versions/${v.version}`, version: v.version })),
      ];
    });
    const chooser = make("select", { id: "model", change: () => draw(options[chooser.selectedIndex]) },
      ...options.map((o) => make("option", {}, o.title)));
    const form = make("form", { class: "card" });
    const result = make("div", { id: "answers", "aria-live": "polite" });
    const code = make("details", { id: "code" });
    show(place, make("p", {}, make("label", { for: "model" }, "Model and version "), chooser), make("div", { class: "pair" }, form, result), code);

    function draw(target) {
      const only = target.described.fields.length === 1;
      const fields = target.described.fields.map((f) => fieldOf(f, () => {
        redraw();
        if (only) form.requestSubmit();
      }));
      const rowOf = () => fields.map((f) => [f.name, f.read()]);
      const redraw = () => {
        const shown = Object.entries(snippets(rowOf(), target, grpcPort));
        show(code, make("summary", {}, "This request as code"), ...shown.map(([n, c]) => codeBlock(n, c)));
      };
      const ask = make("button", { class: "main" }, "Ask the model");
      const clear = make("button", { type: "button", click: () => { fields.forEach((f) => f.clear()); redraw(); } }, "Clear");
      form.onsubmit = async (event) => {
        event.preventDefault();
        ask.disabled = true;
        const began = performance.now();
        try {
          const { predictions: [row] } = await request(`${target.path}:predict`, bodyOf(rowOf()));
          const { answers } = target.described;
          const value = (a) => (answers.length === 1 ? row : row[a.name]);
          const took = `${Math.round(performance.now() - began)} ms`;
          show(result, make("h2", {}, "Answers"), ...answers.map((a) => answered(a, value(a))), make("p", { class: "soft" }, `In ${took}.`));
          notice("");
        } catch (error) {
          show(result);
          notice(error.message);
        }
        ask.disabled = false;
      };
      form.oninput = redraw;
      const typical = target.described.fields.some((f) => f.usual !== null);
      show(form, make("h2", {}, "Inputs"), typical ? make("p", { class: "soft" }, "Filled in with typical training values.") : null,
        make("div", { class: "fields" }, ...fields.map((f) => f.element)), make("p", {}, ask, " ", clear));
      show(result);
      redraw();
    }
    draw(options[0]);
  }

  function docsPage(document) {
    const schemas = document.components.schemas;
    const named = (content) => {
      const [schema] = Object.values(content || {}).map((c) => c.schema).filter(Boolean);
      return schema ? schemas[schema.$ref.split("/").pop()] : null;
    };
    const block = (title, schema) => (schema ? [make("h2", {}, title), make("pre", { tabindex: "0", role: "region", "aria-label": title }, JSON.stringify(schema, null, 2))] : []);
    const entries = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, call]) => make("details", { class: "card" },
        make("summary", {}, make("span", { class: "pill" }, method.toUpperCase()), " ", make("code", {}, path), " ", make("span", { class: "soft" }, call.summary)),
        call.description ? make("p", {}, call.description) : null,
        ...block("Request", named(call.requestBody && call.requestBody.content)),
        ...block("Answer", named(call.responses["200"].content)),
        make("ul", {}, ...Object.entries(call.responses).map(([s, r]) => make("li", {}, `${s}: ${r.description}`))))));
    show(byId("docs"), make("p", {}, document.info.description), ...entries);
  }

  const docs = byId("docs");
  const start = () => (docs ? load("/openapi.json", docsPage) : load("/catalogue.json", tryPage));
  byId("access").addEventListener("submit", (event) => {
    event.preventDefault();
    token = byId("token").value.trim();
    sessionStorage.setItem("rootstock-token", token);
    start();
  });
  // A link cannot send the token, so the document is fetched and opened from memory.
  byId("openapi").addEventListener("click", async (event) => {
    if (!token) return;
    event.preventDefault();
    const text = JSON.stringify(await request("/openapi.json"), null, 1);
    location.assign(URL.createObjectURL(new Blob([text], { type: "application/json" })));
  });
  start();
})();
