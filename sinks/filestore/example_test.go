package filestore_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ephemera-go/ephemera/sinks/filestore"
)

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "blobs")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)

	store, err := filestore.OpenBlobs(ctx, dir, nil)
	if err != nil {
		panic(err)
	}
	defer store.Close()
	fmt.Println(store.Put(ctx, "reports/2024", 5, strings.NewReader("hello")))
	fmt.Println(store.Put(ctx, "reports/2024", 5, strings.NewReader("again")))
	content, size, err := store.Open(ctx, "reports/2024")
	if err != nil {
		panic(err)
	}
	defer content.Close()
	b, err := io.ReadAll(content)
	fmt.Println(size, string(b), err)
	// Output:
	// <nil>
	// file put reports/2024: exists already
	// 5 hello <nil>
}
