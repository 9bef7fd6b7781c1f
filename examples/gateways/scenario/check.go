package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/ephemera-go/ephemera/streams"
)

// check compares what the customers know with what the gateways that live, and the server, say.
func (b *book) check(ctx context.Context, living int) error {
	var global struct {
		TotalEvents int              `json:"totalEvents"`
		TotalValor  int              `json:"totalValor"`
		Gateways    map[string]group `json:"gateways"`
	}
	if err := get(ctx, b.t.nginx.url+"/stats/global", &global); err != nil {
		return err
	}
	if b.total != (group{global.TotalEvents, global.TotalValor}) || !maps.Equal(b.by, global.Gateways) {
		return fmt.Errorf("the customers have %v, %v; the server has %+v", b.total, b.by, global)
	}
	asked := 0
	for _, g := range b.t.gateways {
		if g.killed {
			fmt.Fprintf(b.out, "  %s sent ? (killed), the server has %d of it\n", g.name, global.Gateways[g.name].Count)
			continue
		}
		var local struct {
			Sent, Valor, Repeated, Unknown int
		}
		if err := get(ctx, g.url+"/stats/local", &local); err != nil {
			return err
		}
		if global.Gateways[g.name] != (group{local.Sent, local.Valor}) || local.Unknown != 0 {
			return fmt.Errorf("%s says %+v; the server has %+v of it", g.name, local, global.Gateways[g.name])
		}
		fmt.Fprintf(b.out, "  %s sent %d, the server has %d of it", g.name, local.Sent, global.Gateways[g.name].Count)
		if local.Repeated > 0 {
			fmt.Fprintf(b.out, "; %d came here again, because the reply was lost", local.Repeated)
		}
		fmt.Fprintln(b.out)
		asked++
	}
	ids, err := b.ids(ctx)
	if err != nil {
		return err
	}
	different := len(slices.Compact(slices.Clone(ids)))
	if len(ids) != b.total.Count || asked != living || different != b.total.Count {
		return fmt.Errorf("%d gateways live; of %d orders %d are in the stream, %d different ones", asked, b.total.Count, len(ids), different)
	}
	_, err = fmt.Fprintf(b.out, "  together %d orders, sum %d: customers, gateways and server agree\n", global.TotalEvents, global.TotalValor)
	return err
}

// ids reads the stream from its beginning and returns the ids of its orders, sorted.
func (b *book) ids(ctx context.Context) (ids []string, err error) {
	log, err := streams.NewClient(b.t.server.url, streams.ClientOptions{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	for read := (streams.Read{Stream: "gateway/orders", From: 1, Limit: streams.MaxPage}); ; {
		page, err := log.Read(ctx, read)
		if err != nil {
			return nil, err
		}
		for _, e := range page.Events {
			var order struct{ ID string }
			if err := json.Unmarshal(e.Data, &order); err != nil {
				return nil, err
			}
			ids = append(ids, order.ID)
			read.From = e.Version + 1
		}
		if !page.More {
			slices.Sort(ids)
			return ids, nil
		}
	}
}
