// The page is complete without this. With it, regions marked data-live follow the server's rendering of the same page, charts
// are drawn, and signals come as they are raised.
import { Chart, History } from "./charts.js"

const second = 1000
const rows = 50 // signals shown
const byId = id => document.getElementById(id)
const say = text => { if (byId("status").textContent !== text) byId("status").textContent = text }

document.documentElement.classList.add("live")
const charts = {
  rate: new Chart(byId("rate"), 2, { recent: true, unit: "/s" }),
  latency: new Chart(byId("latency"), 3, { recent: true, unit: " ms" }),
  events: new Chart(byId("events"), 1, { bars: true }),
  percentiles: new Chart(byId("percentiles"), 3, {}),
}
const rates = new History(2)
const latencies = new History(3)

// get fetches from the server; whoever is no longer logged in is sent to do so.
async function get(path, options) {
  const reply = await fetch(path, { cache: "no-store", ...options })
  if (reply.status === 401 || new URL(reply.url).pathname === "/login") location.assign("/login")
  if (!reply.ok) throw new Error((await reply.text()).slice(0, 300))
  return reply
}

// repeat calls a function, again and again while the page is seen, never twice at once.
function repeat(task, pause) {
  const turn = async () => {
    if (!document.hidden) {
      try {
        await task()
        byId("status").classList.remove("bad")
        if (byId("status").dataset.lost) say("")
        delete byId("status").dataset.lost
      } catch (e) {
        byId("status").classList.add("bad")
        byId("status").dataset.lost = "yes"
        say(`No figures from the server: ${e.message}`)
      }
    }
    setTimeout(turn, pause)
  }
  return turn()
}

async function sample() {
  const [stats, metrics] = await Promise.all([get("/admin/stats").then(r => r.json()), get("/metrics").then(r => r.text())])
  rates.add([stats.rates.streams, stats.rates.metrics])
  charts.rate.draw(rates.columns())
  latencies.add(percentiles(buckets(metrics)))
  charts.latency.draw(latencies.columns())
}

const bucket = /^ephemera_http_request_seconds_bucket\{method="POST",route="(?:\/streams\/\{name\}|\/signals|\/metrics)",le="([^"]+)"\} (\d+)$/gm

// buckets reads the histogram of appends of all kinds: how many took at most so many seconds, since the server began.
function buckets(text) {
  const sums = new Map()
  for (const [, le, n] of text.matchAll(bucket)) {
    const bound = le === "+Inf" ? Infinity : Number(le)
    sums.set(bound, (sums.get(bound) ?? 0) + Number(n))
  }
  return [...sums].sort((a, b) => a[0] - b[0])
}

let before = null

// percentiles estimates those of what came since the last call, in ms, along a straight line within a bucket.
function percentiles(now) {
  const known = new Map(before ?? now)
  before = now
  const fresh = now.map(([bound, n]) => [bound, n - (known.get(bound) ?? 0)])
  const total = fresh.at(-1)?.[1] ?? 0
  return [.5, .9, .99].map(p => {
    if (total <= 0) return null
    const i = fresh.findIndex(([, n]) => n >= p * total)
    const [low, below] = i > 0 ? fresh[i - 1] : [0, 0]
    const [high, upTo] = fresh[i]
    return 1000 * (high === Infinity ? low : low + (high - low) * (p * total - below) / (upTo - below))
  })
}

// refresh replaces the live regions by what the server renders now. A region in which a form control is in use stays as it is.
async function refresh() {
  const asked = location.search
  const query = new URLSearchParams(asked)
  query.delete("pattern") // signals come by themselves
  const text = await (await get("/?" + query)).text()
  if (asked !== location.search) return // another choice was made meanwhile
  const fresh = new DOMParser().parseFromString(text, "text/html")
  for (const region of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(region.id)
    if (!next || next.innerHTML === region.innerHTML || region.querySelector("select:focus, input:focus")) continue
    const focused = region.contains(document.activeElement) ? document.activeElement : null
    const key = focused?.getAttribute("href") ?? focused?.id
    region.replaceChildren(...next.childNodes)
    if (key) [...region.querySelectorAll("a, button")].find(e => (e.getAttribute("href") ?? e.id) === key)?.focus()
  }
  drawWindows()
}

function drawWindows() {
  const table = [...byId("windows").querySelectorAll("tbody tr")]
  const column = i => table.map(row => row.cells[i].dataset.value === undefined ? null : Number(row.cells[i].dataset.value))
  const times = table.map(row => Date.parse(row.querySelector("time").dateTime) / second)
  charts.events.draw([times, column(1)])
  charts.percentiles.draw([times, column(2), column(3), column(4)])
}

// choose shows what a query asks for, without loading the page anew.
function choose(query) {
  history.replaceState(null, "", query ? `/?${query}` : "/")
  return refresh().catch(e => say(e.message))
}

function asked(form) {
  const q = new URLSearchParams(new FormData(form))
  if (byId("pattern").value) q.set("pattern", byId("pattern").value)
  return q
}

let source = null
let again = 0

// follow shows the newest signals that the pattern covers, and those that come.
function follow() {
  clearTimeout(again)
  source?.close()
  const list = byId("feed")
  const pattern = byId("pattern").value
  byId("feed-state").textContent = "connecting"
  let fresh = []
  const mine = source = new EventSource(`/signals?limit=${rows}&pattern=${encodeURIComponent(pattern)}`)
  source.onmessage = m => {
    const row = signalRow(JSON.parse(m.data))
    if (fresh) fresh.unshift(row)
    else list.prepend(row)
    while (list.rows.length > rows) list.lastChild.remove()
  }
  source.addEventListener("caughtup", () => {
    if (fresh) list.replaceChildren(...fresh)
    fresh = null
    byId("feed-state").textContent = pattern ? `live: ${pattern}` : "live"
  })
  source.addEventListener("gap", () => { byId("feed-state").textContent = "live; some went by too fast to be shown" })
  source.onerror = () => {
    byId("feed-state").textContent = "not connected"
    mine.close() // a browser would go on behind the last one; this begins with what is there
    if (mine === source) again = setTimeout(follow, 3 * second)
  }
}

function signalRow(signal) {
  const row = document.createElement("tr")
  const add = (kind, text) => {
    const cell = row.appendChild(document.createElement(kind))
    cell.textContent = text.length > 120 ? text.slice(0, 120) + "…" : text
    return cell
  }
  add("td", signal.time.slice(0, 19).replace("T", " "))
  add("th", signal.name).scope = "row"
  add("td", signal.key ?? "")
  add("td", signal.data === undefined ? signal.base64 ?? "" : JSON.stringify(signal.data)).className = "data"
  return row
}

function listen() {
  document.addEventListener("click", e => {
    const link = e.target.closest("a[data-view]")
    if (!link || e.ctrlKey || e.metaKey || e.shiftKey || e.button) return
    e.preventDefault()
    const q = new URL(link.href).searchParams
    if (byId("pattern").value) q.set("pattern", byId("pattern").value)
    choose(q)
  })
  document.addEventListener("submit", e => {
    const form = e.target
    if (form.id === "choice") choose(asked(form))
    else if (form.id === "snapshot") save(form.querySelector("button"))
    else if (form.id === "filter") filter()
    else return
    e.preventDefault()
  })
  let typing = 0
  byId("pattern").addEventListener("input", () => {
    clearTimeout(typing)
    typing = setTimeout(filter, 300)
  })
}

function filter() {
  const q = new URLSearchParams(location.search)
  q.delete("pattern")
  if (byId("pattern").value) q.set("pattern", byId("pattern").value)
  history.replaceState(null, "", q.size ? `/?${q}` : "/")
  follow()
}

async function save(button) {
  button.disabled = true
  say("Saving…")
  try {
    await get("/admin/snapshot", { method: "POST" })
    await refresh()
    say(`Saved at ${new Date().toISOString().slice(11, 19)} UTC; it is durable.`)
  } catch (e) {
    say(`Not saved: ${e.message}`)
  }
  button.disabled = false
  button.focus()
}

listen()
follow()
repeat(sample, second)
repeat(refresh, 2 * second)
