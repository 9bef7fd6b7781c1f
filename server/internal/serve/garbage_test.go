package serve

import "testing"

func TestSlackIsForWhoSaysNothing(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"nothing": {"GOGC": "", "GOMEMLIMIT": ""}, "GOGC": {"GOGC": "50", "GOMEMLIMIT": ""}, "GOMEMLIMIT": {"GOGC": "", "GOMEMLIMIT": "64MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			for k, v := range env {
				t.Setenv(k, v)
			}
			want := 0
			if name == "nothing" {
				want = slackBytes
			}
			if got := len(slack()); got != want {
				t.Errorf("%d bytes, want %d", got, want)
			}
		})
	}
}
