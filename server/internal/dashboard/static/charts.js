// Charts of the dashboard, drawn by uPlot in the colours of the style sheet.
import uPlot from "./uPlot.esm.js"

const height = 180
const kept = 120 // seconds of a History
const charts = []
const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

// A Chart draws columns: times in seconds, then the values of each series; null is a gap.
export class Chart {
  constructor(figure, series, options) {
    this.figure = figure
    this.series = series
    this.options = options
    this.columns = Array.from({ length: series + 1 }, () => [])
    this.make()
    charts.push(this)
    new ResizeObserver(() => this.plot.setSize(this.size())).observe(this.figure.querySelector(".plot"))
  }

  size() { return { width: Math.max(this.figure.querySelector(".plot").clientWidth, 100), height } }

  make() {
    this.plot?.destroy()
    const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" }
    const bars = this.options.bars && uPlot.paths.bars({ size: [.9, 40], align: 1 })
    const day = this.options.recent ? "" : "{YYYY}-{MM}-{DD}"
    const line = i => {
      const stroke = colour(`--s${i + 1}`)
      return { stroke, width: 2, spanGaps: true, points: { show: (u, n) => sparse(u.data[n]), size: 6 }, ...(bars && { paths: bars, fill: stroke, width: 0 }) }
    }
    this.plot = new uPlot({
      ...this.size(),
      legend: { show: false },
      cursor: { drag: { x: false, y: false } },
      tzDate: at => uPlot.tzDate(new Date(at * 1000), "UTC"),
      fmtDate: format => uPlot.fmtDate(format.replace("{h}", "{HH}").replace("{aa}", "").replace(/\{M\}\/\{D\}(\/\{YY\})?/, day)),
      scales: { x: { range: (_, low, high) => this.options.recent ? [Date.now() / 1000 - kept, Date.now() / 1000] : [low, high] }, y: { range: (_, low, high) => this.range(low, high) } },
      axes: [axis, { ...axis, size: 56 }],
      series: [{}, ...Array.from({ length: this.series }, (_, i) => line(i))],
    }, this.columns, this.figure.querySelector(".plot"))
  }

  // range begins at 0 unless values lie below it, so that heights can be compared.
  range(low, high) {
    if (low === null || high === null) return [0, 1]
    const bottom = Math.min(0, low)
    return [bottom, high > bottom ? high + (high - bottom) / 10 : bottom + 1]
  }

  draw(columns) {
    this.columns = columns
    this.plot.setData(columns)
    const output = this.figure.querySelector("output")
    const last = columns.slice(1).map(c => c.at(-1))
    if (output) output.textContent = last.every(v => v == null) ? "(none now)" : last.map(v => round(v) + this.options.unit).join(", ")
  }
}

const sparse = values => values.filter(v => v != null).length < 3 // no line to see
const round = v => v >= 100 ? v.toFixed(0) : v >= 1 ? v.toFixed(1) : v.toFixed(3)

// A History keeps samples, taken about once a second.
export class History {
  constructor(series) {
    this.samples = []
    this.series = series
  }

  add(values) {
    this.samples.push([Date.now() / 1000, ...values])
    while (this.samples[0][0] < this.samples.at(-1)[0] - kept) this.samples.shift()
  }

  columns() { return Array.from({ length: this.series + 1 }, (_, i) => this.samples.map(s => s[i])) }
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach(c => c.make()))
