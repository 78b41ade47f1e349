"use strict";
// The page of copies: draws each pair when it comes near the window, filters, moves by keys, stores and exports marks.
// File names are untrusted: they are only ever set as text, never as HTML.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const findings = data.findings;
  const images = new Map(Object.entries(data.images));
  const byId = (id) => document.getElementById(id);
  const list = byId("findings");
  const tools = byId("tools");
  const moving = byId("moving");
  const cards = Array.from(list.children);
  const narrow = window.matchMedia("(max-width: 40rem)");
  const MARKS = ["copy", "not a copy"];
  const STORED = `classicvision-copies ${data.id}`;
  const N_COLOURS = 4;

  // ---- drawing

  function svg(name, attributes, ...children) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  // One image in its own frame, whose unit is a pixel of the original; pixel centres are integers.
  function drawImage(path, [height, width], [x, y, w, h], outlines, differences) {
    const source = images.get(path);
    const frame = { x: -0.5, y: -0.5, width, height };
    const image = source
      ? svg("image", { ...frame, href: source, preserveAspectRatio: "none" })
      : svg("rect", { ...frame, class: "gone" });
    const box = { x, y, width: w, height: h, viewBox: `-0.5 -0.5 ${width} ${height}`, preserveAspectRatio: "none" };
    const drawn = svg("svg", box, image);
    outlines.forEach((outline, region) => {
      const points = outline.map((point) => point.join(",")).join(" ");
      drawn.append(svg("polygon", { points, class: "halo" }));
      drawn.append(svg("polygon", { points, class: `outline r${region % N_COLOURS}` }));
    });
    for (const outline of differences) {
      const points = outline.map((point) => point.join(",")).join(" ");
      drawn.append(svg("polygon", { points, class: "halo" }), svg("polygon", { points, class: "difference" }));
    }
    const parts = [drawn];
    if (!source) parts.push(svg("text", { x: x + w / 2, y: y + h / 2, class: "gone-words" }, "image not available"));
    return parts;
  }

  // The position in the drawing of a pixel of an image.
  function placed([px, py], [height, width], [x, y, w, h]) {
    return [x + ((px + 0.5) * w) / width, y + ((py + 0.5) * h) / height];
  }

  function middle(outline) {
    const sum = outline.reduce(([x, y], [u, v]) => [x + u, y + v], [0, 0]);
    return [sum[0] / outline.length, sum[1] / outline.length];
  }

  function numbers(finding, boxes) {
    if (finding.outlines.length < 2) return [];
    return finding.outlines.flatMap((pair, region) =>
      pair.filter((outline) => outline.length).map((outline, side) => {
        const [x, y] = placed(middle(outline), finding.sizes[side], boxes[side]);
        return svg("text", { x, y, class: "region-number" }, String(region + 1));
      }),
    );
  }

  function matchLines(finding, boxes) {
    return finding.lines.flatMap((lines, region) =>
      lines.map(([ax, ay, bx, by]) => {
        const [x1, y1] = placed([ax, ay], finding.sizes[0], boxes[0]);
        const [x2, y2] = placed([bx, by], finding.sizes[1], boxes[1]);
        return svg("line", { x1, y1, x2, y2, class: `match r${region % N_COLOURS}` });
      }),
    );
  }

  function description(card, finding) {
    const [first, second] = Array.from(card.querySelectorAll(".names span"), (name) => name.textContent);
    const transform = card.querySelector(".transform").textContent.trim();
    const names = finding.within ? first : `${first} and ${second}`;
    const outlines = finding.outlines.length ? "The shared parts are outlined." : "";
    return `${names}: ${transform}. ${outlines}`.trim();
  }

  function draw(card) {
    const finding = findings[cards.indexOf(card)];
    const [[width, height], boxA, boxB] = narrow.matches ? finding.tall : finding.wide;
    const boxes = [boxA, boxB];
    const drawSide = (path, side) => {
      const outlines = finding.outlines.map((pair) => pair[side]);
      const differences = finding.differences.map((pair) => pair[side]);
      return drawImage(path, finding.sizes[side], boxes[side], outlines, differences);
    };
    const parts = finding.within
      ? drawImage(finding.path_a, finding.sizes[0], boxA, finding.outlines.flat(), [])
      : [...drawSide(finding.path_a, 0), ...drawSide(finding.path_b, 1)];
    const drawn = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": description(card, finding) });
    drawn.append(...parts, ...matchLines(finding, boxes), ...numbers(finding, boxes));
    card.querySelector(".pair").replaceChildren(drawn);
  }

  const drawn = new Set();
  const watcher = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting && !drawn.has(target)) {
          draw(target);
          drawn.add(target);
        } else if (!isIntersecting && drawn.delete(target)) {
          target.querySelector(".pair").replaceChildren(); // the aspect ratio reserves its place
        }
      }
    },
    { rootMargin: "1500px" },
  );
  cards.forEach((card) => watcher.observe(card));
  narrow.addEventListener("change", () => drawn.forEach(draw));
  window.addEventListener("beforeprint", () => shown.forEach((row) => drawn.has(cards[row]) || draw(cards[row])));

  window.addEventListener("afterprint", () => {
    cards.forEach((card) => drawn.has(card) || card.querySelector(".pair").replaceChildren());
  });

  // ---- filters

  let shown = findings.map((_, row) => row);
  let current = -1; // a row; -1 before the first move
  const input = { name: byId("name"), score: byId("score"), marked: byId("marked"), group: byId("group"), lines: byId("lines") };
  const kinds = Array.from(document.querySelectorAll("input[name=kind]"));

  function filter() {
    const name = input.name.value.toLowerCase();
    const least = parseFloat(input.score.value);
    const wanted = kinds.filter((box) => box.checked).map((box) => box.value);
    shown = [];
    findings.forEach((finding, row) => {
      const passes =
        (!name || `${finding.path_a}\n${finding.path_b}`.toLowerCase().includes(name)) &&
        (Number.isNaN(least) || finding.score === null || finding.score >= least) &&
        (!wanted.length || wanted.some((label) => finding.labels.includes(label))) &&
        (!input.marked.value || (marks.get(row) ?? "none") === input.marked.value) &&
        (!input.group.value || finding.group === Number(input.group.value));
      if (passes) shown.push(row);
    });
    // Removing cards takes a tenth of the time of hiding them, which would undo content-visibility.
    list.replaceChildren(...shown.map((row) => cards[row]));
    byId("nothing").hidden = shown.length > 0;
    list.parentElement.classList.toggle("no-lines", !input.lines.checked);
    showStatus();
  }

  function showStatus() {
    const count = (n) => n.toLocaleString("en");
    const place = shown.indexOf(current);
    const at = place >= 0 ? `${count(place + 1)} of ` : "";
    const all = shown.length === findings.length ? "" : ` (${count(findings.length)} in total)`;
    const noun = shown.length === 1 ? "finding" : "findings";
    byId("status").textContent = `${at}${count(shown.length)} ${noun}${all}, ${count(marks.size)} marked`;
    byId("export-json").disabled = byId("export-csv").disabled = !marks.size;
  }

  tools.addEventListener("input", filter);
  tools.addEventListener("change", filter);
  tools.addEventListener("submit", (event) => event.preventDefault());
  tools.addEventListener("reset", () => setTimeout(filter)); // after the fields have been emptied

  // ---- moving

  function select(row) {
    if (current >= 0) cards[current].classList.remove("current");
    current = row;
    cards[row].classList.add("current");
    list.style.setProperty("--moving", `${moving.offsetHeight}px`);
    showStatus();
  }

  function move(step) {
    if (!shown.length) return;
    const after = shown.findIndex((row) => row > current);
    const place = shown.indexOf(current);
    let next = place + step;
    if (place < 0) next = step > 0 ? after : (after < 0 ? shown.length : after) - 1; // the current one is filtered out
    if (next < 0 || next >= shown.length) return;
    select(shown[next]);
    cards[current].focus({ preventScroll: true });
    cards[current].scrollIntoView({ block: "start" });
  }

  byId("next").addEventListener("click", () => move(1));
  byId("previous").addEventListener("click", () => move(-1));

  // ---- marks

  const marks = new Map(Object.entries(remembered()).map(([row, mark]) => [Number(row), mark]));

  function remembered() {
    try {
      const kept = JSON.parse(localStorage.getItem(STORED)) ?? {};
      return Object.fromEntries(Object.entries(kept).filter(([row, mark]) => findings[row] && MARKS.includes(mark)));
    } catch {
      return {}; // no storage, or unusable content: marks then last as long as the page
    }
  }

  function remember() {
    try {
      localStorage.setItem(STORED, JSON.stringify(Object.fromEntries(marks)));
    } catch {
      // the storage is full or forbidden
    }
  }

  function showMark(row) {
    const mark = marks.get(row);
    if (mark) cards[row].dataset.marked = mark;
    else delete cards[row].dataset.marked;
    for (const button of cards[row].querySelectorAll("[data-mark]")) {
      button.setAttribute("aria-pressed", String(button.dataset.mark === mark));
    }
  }

  function setMark(row, mark) {
    if (mark) marks.set(row, mark);
    else marks.delete(row);
    showMark(row);
    remember();
    showStatus();
  }

  list.addEventListener("click", (event) => {
    const card = event.target.closest(".finding");
    if (!card) return;
    const row = cards.indexOf(card);
    select(row);
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.mark) setMark(row, marks.get(row) === button.dataset.mark ? null : button.dataset.mark);
    if (button.dataset.group) {
      if (!input.group.querySelector(`option[value="${button.dataset.group}"]`)) {
        input.group.append(new Option(String(Number(button.dataset.group) + 1), button.dataset.group));
      }
      input.group.value = button.dataset.group;
      filter();
      card.scrollIntoView({ block: "start" });
    }
  });

  const KEYS = {
    j: () => move(1),
    k: () => move(-1),
    ArrowRight: () => move(1),
    ArrowLeft: () => move(-1),
    c: () => current >= 0 && setMark(current, "copy"),
    n: () => current >= 0 && setMark(current, "not a copy"),
    u: () => current >= 0 && setMark(current, null),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
    if (event.target.matches("select, input:not([type=checkbox])")) return; // there the keys are text
    event.preventDefault();
    KEYS[event.key]();
  });

  // ---- export

  function exported() {
    const rows = Array.from(marks.keys()).sort((a, b) => a - b);
    return rows.map((row) => {
      const { path_a, path_b, method, score, labels, group } = findings[row];
      return { finding: row + 1, mark: marks.get(row), path_a, path_b, method, score, labels, group: group + 1 };
    });
  }

  // RFC 4180; text that a spreadsheet would take for a formula is prefixed with an apostrophe.
  function cell(value) {
    let text = value === null ? "" : Array.isArray(value) ? value.map((v) => v.replaceAll(" ", "-")).join(" ") : String(value);
    if (typeof value === "string" && /^[=+\-@\t\r\n]/.test(text)) text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  function save(name, type, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }

  byId("export-json").addEventListener("click", () => {
    const document = { format: "classicvision-copy-marks", version: 1, marks: exported() };
    save("marks.json", "application/json", `${JSON.stringify(document, null, 2)}\n`);
  });

  byId("export-csv").addEventListener("click", () => {
    const columns = ["finding", "mark", "path_a", "path_b", "method", "score", "labels", "group"];
    const lines = [columns, ...exported().map((row) => columns.map((column) => row[column]))];
    save("marks.csv", "text/csv", lines.map((line) => `${line.map(cell).join(",")}\r\n`).join(""));
  });

  marks.forEach((_, row) => showMark(row));
  for (const hidden of [tools, moving, ...list.querySelectorAll(".marks")]) hidden.hidden = false;
  filter();
})();
