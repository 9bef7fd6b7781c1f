// Measures of a page, for the test of the dashboard.

const shown = e => e.checkVisibility({ visibilityProperty: true }) && e.getClientRects().length > 0

// ink returns how many pixels of height a series of a chart covers; -1 without any.
function ink(id, series) {
	const canvas = document.querySelector(`#${id} canvas`)
	if (!canvas?.width) return -1
	const probe = document.createElement("i")
	probe.style.color = `var(--s${series})`
	document.body.append(probe)
	const [r, g, b] = getComputedStyle(probe).color.match(/\d+/g).map(Number)
	probe.remove()
	const copy = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height })
	const context = copy.getContext("2d", { willReadFrequently: true })
	context.drawImage(canvas, 0, 0)
	const { data, width, height } = context.getImageData(0, 0, copy.width, copy.height)
	let top = -1, bottom = -1
	for (let y = 0; y < height; y++)
		for (let x = 0; x < width; x++) {
			const i = 4 * (y * width + x)
			if (data[i + 3] < 200 || Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) > 30) continue
			if (top < 0) top = y
			bottom = y
		}
	return bottom - top - (top < 0 ? 1 : 0)
}

// operable returns what a mouse can operate or scroll.
function operable() {
	const controls = [...document.querySelectorAll("a[href], button, input, select, summary")].filter(shown)
	const scrolls = [...document.querySelectorAll("*")].filter(e =>
		shown(e) && /auto|scroll/.test(getComputedStyle(e).overflowY) && (e.scrollHeight > e.clientHeight || e.scrollWidth > e.clientWidth))
	return [...new Set([...controls, ...scrolls])].filter(e => e !== document.documentElement)
}

function nameOf(e) {
	return [e.tagName, e.id, e.getAttribute("href") ?? "", e.ariaLabel ?? e.getAttribute("aria-labelledby") ?? e.textContent.trim().slice(0, 30)].join(" ")
}

function rgba(text) {
	const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number)
	return [r, g, b, a]
}

const over = (front, back) => [0, 1, 2].map(i => front[i] * front[3] + back[i] * (1 - front[3])).concat(1)

function luminance([r, g, b]) {
	const f = v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4
	return .2126 * f(r) + .7152 * f(g) + .0722 * f(b)
}

function ratio(a, b) {
	const [x, y] = [luminance(a), luminance(b)].sort((m, n) => n - m)
	return (x + .05) / (y + .05)
}

// unreadable lists the texts that are shown with less contrast than WCAG 2 wants for AA.
function unreadable() {
	const canvas = matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18, 1] : [255, 255, 255, 1]
	const found = { Texts: 0, Bad: [] }
	const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
	while (texts.nextNode()) {
		const e = texts.currentNode.parentElement
		if (!texts.currentNode.data.trim() || !shown(e) || ["SCRIPT", "STYLE"].includes(e.tagName)) continue
		const layers = []
		for (let p = e; p; p = p.parentElement) layers.unshift(rgba(getComputedStyle(p).backgroundColor))
		const ground = layers.reduce((back, front) => over(front, back), canvas)
		const style = getComputedStyle(e)
		const large = parseFloat(style.fontSize) >= 24 || parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700
		const got = ratio(over(rgba(style.color), ground), ground)
		found.Texts++
		if (got < (large ? 3 : 4.5)) found.Bad.push(`${texts.currentNode.data.trim().slice(0, 40)}: ${got.toFixed(2)}`)
	}
	return found
}
