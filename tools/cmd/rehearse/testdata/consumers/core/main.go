// A user of core alone: events, and a question about the newest of them.
package main

import (
	"fmt"
	"log"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

type order struct {
	amount float64
	at     time.Time
}

func main() {
	s, err := core.New(core.Options[order]{Capacity: 100, Time: func(o *order) time.Time { return o.at }})
	if err != nil {
		log.Fatal(err)
	}
	for i := range 150 {
		if _, err := s.Append(order{float64(i), time.Now()}); err != nil {
			log.Fatal(err)
		}
	}
	cut := s.Cut()
	sum, err := core.Sum(cut.Within(time.Hour), func(o *order) float64 { return o.amount })
	cut.Close()
	if err := s.Close(); err != nil {
		log.Fatal(err)
	}
	if err != nil || sum != 9950 {
		log.Fatalf("the newest 100 of 150 sum up to %v, %v", sum, err)
	}
	fmt.Println("ok")
}
