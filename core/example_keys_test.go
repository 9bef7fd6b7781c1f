//go:build !explore

package core_test

import (
	"errors"
	"fmt"

	"github.com/ephemera-go/ephemera/core"
)

func ExampleKeys() {
	keys, err := core.NewKeys(3, "orders") // for instance from a snapshot
	if err != nil {
		panic(err)
	}
	id, _ := keys.Intern("payments")
	again, _ := keys.Intern("payments")
	fmt.Println(id, again, keys.Names())

	_, known := keys.ID("Orders") // case matters; ID never adds
	fmt.Println(known)

	keys.Intern("refunds")
	_, err = keys.Intern("one too many")
	fmt.Println(errors.Is(err, core.ErrKeysFull), keys.Len(), keys.Refused())

	keys.Clear()
	id, _ = keys.Intern("refunds")
	fmt.Println(id)
	// Output:
	// 2 2 [orders payments]
	// false
	// true 3 1
	// 1
}
