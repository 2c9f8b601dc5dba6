// Replaces the drawings over time by charts with one cursor for all of them.
// Without this script, or where it fails, the drawings stay.
"use strict";
(() => {
  const plots = JSON.parse(document.getElementById("plots").textContent);
  const scales = {
    seconds: [[1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]],
    bytes: [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, "B"]],
    count: [[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]],
  };
  const write = (kind, v) => {
    if (v == null) return "–";
    const units = scales[kind];
    const [size, unit] = units.find(([size]) => Math.abs(v) >= size) || units[units.length - 1];
    return `${+(v / size).toPrecision(3)} ${unit}`.trim();
  };
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const font = "12px system-ui, sans-serif";

  // The phases, behind the lines.
  const bands = (plot) => (u) => {
    const { left, top, width, height } = u.bbox;
    const ratio = devicePixelRatio;
    u.ctx.save();
    u.ctx.textAlign = "center";
    u.ctx.font = `${11 * ratio}px system-ui, sans-serif`;
    for (const b of plot.bands) {
      const from = Math.max(left, u.valToPos(b.from, "x", true));
      const to = Math.min(left + width, u.valToPos(b.to, "x", true));
      if (to <= from) continue;
      if (!b.bright) {
        u.ctx.fillStyle = colour("--band");
        u.ctx.fillRect(from, top, to - from, height);
      }
      u.ctx.fillStyle = colour("--quiet");
      if (u.ctx.measureText(b.name).width < to - from) u.ctx.fillText(b.name, (from + to) / 2, top - 6 * ratio);
    }
    u.ctx.restore();
  };

  const axis = (a, side, size) => ({
    side, size, font, gap: 4,
    stroke: colour("--quiet"),
    grid: { stroke: colour("--grid"), width: 1 },
    ticks: { show: false },
    splits: () => a.ticks.map((t) => t.at),
    filter: (u, splits) => splits,
    values: (u, splits) => {
      // As many labels as fit.
      const room = side === 2 ? u.bbox.width / devicePixelRatio / 44 : Infinity;
      const every = Math.max(1, Math.ceil(splits.length / room));
      return splits.map((at, i) => (i % every === 0 ? (a.ticks.find((t) => t.at === at) || { label: "" }).label : ""));
    },
  });

  const draw = (holder, plot) => {
    const series = plot.lines.map((l) => ({
      label: l.name + (l.untrusted ? " (untrusted)" : ""),
      stroke: colour("--" + l.class.split(" ")[0]),
      width: 2, alpha: l.untrusted ? 0.35 : 1,
      dash: l.class.includes("dashed") ? [6, 5] : undefined,
      points: { show: plot.times.length < 3 },
      value: (u, v) => write(plot.kind, v),
    }));
    return new uPlot({
      width: holder.clientWidth, height: 240, padding: [22, 14, 0, 0],
      cursor: { sync: { key: "time" }, y: false, focus: { prox: 24 } },
      focus: { alpha: 0.4 },
      legend: { markers: {
        width: 2, fill: "transparent",
        stroke: (u, i) => (i > 0 ? series[i - 1].stroke : "transparent"),
        dash: (u, i) => (i > 0 && series[i - 1].dash ? "dashed" : "solid"),
      } },
      scales: {
        x: { time: false, range: [plot.x.min, plot.x.max] },
        y: { distr: plot.y.log ? 3 : 1, range: [plot.y.min, plot.y.max] },
      },
      axes: [axis(plot.x, 2, 30), axis(plot.y, 3, 62)],
      series: [{ label: "at", value: (u, v) => (v == null ? "–" : `${+v.toPrecision(4)} s`) }, ...series],
      hooks: { drawClear: [bands(plot)] },
    }, [plot.times, ...plot.data], holder);
  };

  // The arrow keys move the cursor from reading to reading, in all charts.
  const keys = (holder, u) => {
    holder.tabIndex = 0;
    holder.setAttribute("role", "group");
    holder.setAttribute("aria-label", holder.closest("section").querySelector("h2").textContent + "; the arrow keys move the cursor");
    holder.onkeydown = (e) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
      if (!step) return;
      e.preventDefault();
      const at = u.cursor.idx == null ? 0 : Math.min(u.data[0].length - 1, Math.max(0, u.cursor.idx + step));
      drawn.forEach((other) => other.setCursor({ left: other.valToPos(u.data[0][at], "x"), top: 0 }, true, false));
    };
  };

  let drawn = [];
  const redraw = () => {
    drawn.forEach((u) => u.destroy());
    drawn = [...document.querySelectorAll("[data-plot]")].map((holder) => {
      holder.closest("section").classList.add("live"); // shows the holder: its width counts
      const u = draw(holder, plots[holder.dataset.plot - 1]);
      keys(holder, u);
      return u;
    });
  };
  redraw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("resize", () => drawn.forEach((u) => u.setSize({ width: u.root.parentElement.clientWidth, height: 240 })));
})();
