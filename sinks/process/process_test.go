package process_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks/process"
)

const childVariable = "EPHEMERA_PROCESS_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		p := process.This()
		fmt.Printf("%q %q\n", p.Host, p.ID)
		_, _ = os.Stdin.Read(make([]byte, 1)) // until the parent ends it
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Who is known to have ended, and who is not.
func TestGone(t *testing.T) {
	me := process.This()
	if me.Host == "" || me.ID == "" || process.This() != me {
		t.Fatalf("%+v, then %+v", me, process.This())
	}
	known := runtime.GOOS == "linux"
	for _, x := range []struct {
		name string
		p    process.Process
		gone bool
	}{
		{"this process", me, false},
		{"nobody", process.Process{}, false},
		{"a process of another machine", process.Process{Host: "elsewhere", ID: "4194305@1"}, false},
		{"a number beyond all", process.Process{Host: me.Host, ID: "4194305@1"}, known},
		{"this number, of another start", process.Process{Host: me.Host, ID: me.ID + "0"}, known},
		{"the first process, of another start", process.Process{Host: me.Host, ID: "1@x"}, known},
		{"no number", process.Process{Host: me.Host, ID: "x@1"}, false},
		{"a group of processes", process.Process{Host: me.Host, ID: strconv.Itoa(-os.Getpid()) + "@1"}, false},
		{"nothing", process.Process{Host: me.Host}, false},
	} {
		if got := x.p.Gone(); got != x.gone {
			t.Errorf("%s: gone is %v", x.name, got)
		}
	}
}

// Another process of this machine is there until it has ended, also before its parent has noticed.
func TestGoneWithItsEnd(t *testing.T) {
	c := exec.Command(os.Args[0]) //nolint:noctx // the end of its input ends it
	c.Env = append(os.Environ(), childVariable+"=1")
	in, err1 := c.StdinPipe()
	out, err2 := c.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var child process.Process
	if _, err := fmt.Fscanf(out, "%q %q\n", &child.Host, &child.ID); err != nil {
		t.Fatal(err)
	}
	if child.Gone() || child == process.This() {
		t.Errorf("%+v is gone, or this one", child)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err == nil { // its end closes it
		t.Fatal("it says more")
	}
	known := runtime.GOOS == "linux"
	for deadline := time.Now().Add(30 * time.Second); known && !child.Gone(); { // its files are closed a little before it has ended
		if time.Now().After(deadline) {
			t.Fatal("a process that has ended is not gone before its parent has waited")
		}
	}
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	if child.Gone() != known {
		t.Errorf("behind its end: gone is %v", child.Gone())
	}
}
