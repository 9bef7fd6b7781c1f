package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestDashboard drives the page of a real server in a real browser: log in, see charts move, filter signals, take a
// snapshot, reach everything by keyboard, read everything in both colour schemes, and see loss after a crash.
func TestDashboard(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the server, which only the workspace knows, and drives a browser")
	}
	path := program(t, "chromium", "chromium-browser", "google-chrome")
	b := openBoard(t, browser(t, path), startServer(t))
	b.contrast("the login form")
	b.logIn()

	b.chartsMove()
	b.hostileName()
	b.patternFilters()
	b.snapshotNow()
	b.keyboard()
	b.looks()
	b.lossIsRed()
	b.nothingElse()
}

// chartsMove: a line that is flat rises when events come.
func (b *board) chartsMove() {
	b.until(`ink("rate", 1) < 8 && ink("rate", 2) >= 0 && ink("rate", 2) < 8`) // one covers the other
	b.until(`document.querySelector("#latency output").textContent === "(none now)"`)
	stop := b.server.flow()
	defer stop()
	b.until(`ink("rate", 1) > 40 && ink("latency", 3) >= 0`)
	b.until(`/^[\d.]+ ms, [\d.]+ ms, [\d.]+ ms$/.test(document.querySelector("#latency output").textContent)`)
	b.until(`document.querySelector("#chosen").textContent === "orders"`)
	b.until(`ink("events", 1) > 40 && ink("percentiles", 3) >= 0`)
	b.until(`document.querySelector("#top tbody tr")?.cells.length === 2`)
}

// hostileName: the name of a stream is text.
func (b *board) hostileName() {
	const hostile = `<img src=x onerror=window.pwned=1>`
	b.server.post("/streams/"+strings.ReplaceAll(hostile, " ", "%20"), `{"<b>":"<script>window.pwned=1</script>","n":1}`)
	b.until(`document.querySelector("#streams a")?.textContent === ` + quoted(hostile))
	if b.evaluate("String(document.images.length) + window.pwned") != "0undefined" {
		b.t.Error("the name of a stream became markup")
	}
	b.server.do("DELETE", "/streams/"+strings.ReplaceAll(hostile, " ", "%20"), "")
}

// patternFilters: what the box does not cover disappears, and does not come later either.
func (b *board) patternFilters() {
	names := func() string {
		return b.evaluate(`[...new Set([...document.querySelectorAll("#feed th")].map(e => e.textContent))].sort().join()`)
	}
	count := func(n int) { b.until(fmt.Sprintf(`document.querySelectorAll("#feed tr").length === %d`, n)) }
	b.server.post("/signals", `[{"name":"order.late","key":"eu"},{"name":"quake.major","key":"us","data":{"mag":6.1}}]`)
	count(2)
	b.run(chromedp.SendKeys(chromedp.CSS("#pattern"), "quake.*"))
	count(1)
	if got := names(); got != "quake.major" {
		b.t.Errorf("filtered by quake.* there is %s", got)
	}
	b.until(`document.querySelector("#feed-state").textContent === "live: quake.*"`)
	b.server.post("/signals", `[{"name":"order.late"},{"name":"quake.strong"}]`)
	count(2)
	if got := names(); got != "quake.major,quake.strong" {
		b.t.Errorf("filtered by quake.* there come %s", got)
	}
	b.run(chromedp.Navigate(b.server.url + "/?pattern=quake.*")) // as the address says
	b.until(`document.querySelector("#feed-state").textContent === "live: quake.*"`)
	count(2)
	b.run(chromedp.Navigate(b.server.url + "/"))
	count(4)
}

// snapshotNow: the button saves, and what is saved is listed.
func (b *board) snapshotNow() {
	const row = `[...document.querySelectorAll("#snapshots tbody tr")].map(r => r.cells[0].textContent + r.cells[1].textContent).join()`
	b.until(row + ` === "streamsnone,metricsnone"`)
	b.run(chromedp.Focus(chromedp.CSS("#snapshot button")), chromedp.KeyEvent("\r"))
	b.until(row + ` === "streams1,metrics1"`)
	b.until(`/^Saved at [0-9:]{8} UTC; it is durable\.$/.test(document.querySelector("#status").textContent)`)
	b.until(`document.querySelector(".summary div:last-child dd").textContent === "0"`)
}

// keyboard: Tab reaches everything that can be operated, and shows where it is.
func (b *board) keyboard() {
	b.until(`document.querySelectorAll("#feed tr").length > 0`)
	b.run(chromedp.Evaluate[chromedp.Void](`document.querySelector("details").open = true`)) // a table that scrolls
	var wanted []string
	if err := json.Unmarshal([]byte(b.evaluate(`JSON.stringify(operable().map(nameOf))`)), &wanted); err != nil || len(wanted) < 12 {
		b.t.Fatal(wanted, err)
	}
	b.run(chromedp.Evaluate[chromedp.Void](`document.activeElement.blur()`))
	reached := map[string]bool{}
	for range 2 * len(wanted) {
		b.run(chromedp.KeyEvent("\t"))
		got := b.evaluate(`document.activeElement.matches(":focus-visible") && getComputedStyle(document.activeElement).outlineStyle !== "none"
			? nameOf(document.activeElement) : "hidden focus: " + nameOf(document.activeElement)`)
		reached[got] = true
		if strings.HasPrefix(got, "hidden focus") && !strings.Contains(got, "BODY") {
			b.t.Error(got)
		}
	}
	for _, name := range wanted {
		if !reached[name] {
			b.t.Errorf("Tab does not reach %s, but %v", name, reached)
		}
	}
}

// looks: text can be read in both colour schemes, and the page fits a telephone.
func (b *board) looks() {
	if os.Getenv(screenshots) != "" { // pictures want something to see; no test depends on it
		defer b.server.flow()()
		time.Sleep(100 * time.Second)
		b.run(chromedp.Evaluate[chromedp.Void](`document.querySelector("details").open = false`))
	}
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		b.run(chromedp.EmulateViewport(1200, 900))
		b.contrast(scheme)
		b.picture(scheme)
	}
	b.scheme("light")
	b.run(chromedp.EmulateViewport(360, 800))
	b.until(`innerWidth === 360`)
	if got := b.evaluate(`String(document.documentElement.scrollWidth)`); got != "360" {
		b.t.Errorf("the page is %s pixels wide on a screen of 360", got)
	}
	b.picture("narrow")
	b.run(chromedp.EmulateViewport(1200, 900))
}

// lossIsRed: after a crash the page says so, in red; before there was nothing to say.
func (b *board) lossIsRed() {
	if b.evaluate(`String(document.querySelectorAll(".loss").length)`) != "0" {
		b.t.Error("loss is told when there is none")
	}
	b.run(chromedp.Navigate("about:blank"))
	b.server.restartAfterKill()
	b.logIn()
	b.until(`document.querySelector(".loss li")?.textContent.startsWith("streams: the last run was cut short")`)
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		b.contrast("loss, " + scheme)
		colour := b.evaluate(`getComputedStyle(document.querySelector(".loss li")).color`)
		var red, green, blue int
		if _, err := fmt.Sscanf(colour, "rgb(%d, %d, %d)", &red, &green, &blue); err != nil || red < green+100 || red < blue+100 {
			b.t.Errorf("loss is told in %s, %s, %v", colour, scheme, err)
		}
	}
}

// flow appends orders, at a rate that goes up and down, until stop is called.
func (s *serverProcess) flow() (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		r := rand.New(rand.NewPCG(1, 2))
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			n := 3 + i/50%5
			orders := make([]string, n)
			for j := range orders {
				orders[j] = fmt.Sprintf(`{"amount":%.2f,"region":"%s"}`, 20+r.ExpFloat64()*30, []string{"eu", "us", "apac"}[r.IntN(3)])
			}
			s.post("/streams/orders", "["+strings.Join(orders, ",")+"]")
			s.post("/metrics", fmt.Sprintf(`{"label":"queue","value":%d}`, r.IntN(10)))
		}
	}()
	return func() { cancel(); <-over }
}
