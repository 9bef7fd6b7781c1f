package pgstore_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/sinktest"
	pgstore "github.com/ephemera-go/ephemera/storage-postgres"
)

// benchURL gives a place of the suite a schema.
func benchURL(b *testing.B, place string) string {
	sum := sha256.Sum256([]byte(place))
	schema := "bench_" + hex.EncodeToString(sum[:8])
	dropAtEnd(b, schema)
	return with(server(b), "ephemera_schema", schema).String()
}

func BenchmarkSignals(b *testing.B) {
	server(b)
	sinktest.BenchSignals(b, func(ctx context.Context, place string) (sinks.SignalStore, error) {
		return pgstore.OpenSignals(ctx, benchURL(b, place), nil)
	})
}

func BenchmarkBlobs(b *testing.B) {
	server(b)
	sinktest.BenchBlobs(b, func(ctx context.Context, place string) (sinks.BlobStore, error) {
		return pgstore.OpenBlobs(ctx, benchURL(b, place), nil)
	})
}

// BenchmarkLargeBlob moves 32 MiB in and out.
func BenchmarkLargeBlob(b *testing.B) {
	const size = 32 << 20
	s := openBlobs(b, place(b), nil)
	body := strings.Repeat("0123456789abcdef", size/16)
	b.Run("in", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			if err := s.Put(b.Context(), "x", size, strings.NewReader(body)); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			must(b, s.Delete(b.Context(), "x"))
			b.StartTimer()
		}
	})
	must(b, s.Put(b.Context(), "x", size, strings.NewReader(body)))
	b.Run("out", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			r, _, err := s.Open(b.Context(), "x")
			must(b, err)
			if n, err := io.Copy(io.Discard, r); n != size || err != nil {
				b.Fatal(n, err)
			}
			must(b, r.Close())
		}
	})
}

// BenchmarkInsert compares ways to bring a batch into the table, in a transaction of its own: COPY, and rows of one pipeline,
// whichever the store would choose, and one INSERT of all rows.
func BenchmarkInsert(b *testing.B) {
	place := place(b)
	openSignals(b, place, nil)
	conn := raw(b, place)
	columns := []string{"sequence", "time", "nanos", "name", "key", "operation", "path", "data", "checksum"}
	values := func(sequence int64) []any {
		return []any{
			sequence, time.Unix(1_700_000_000, sequence*1000), int16(sequence % 1000), []string{"order.completed", "error:Timeout", "cache.miss"}[sequence%3],
			fmt.Sprintf("customer-%d", sequence%5000), sequence / 3, nil, nil, sequence,
		}
	}
	one := "INSERT INTO signals (" + strings.Join(columns, ", ") + ") VALUES "
	next := int64(1)
	ways := map[string]func(tx pgx.Tx, n int) error{
		"copy": func(tx pgx.Tx, n int) error {
			_, err := tx.CopyFrom(b.Context(), pgx.Identifier{"signals"}, columns, pgx.CopyFromSlice(n, func(i int) ([]any, error) {
				return values(next + int64(i)), nil
			}))
			return err
		},
		"pipeline": func(tx pgx.Tx, n int) error {
			var batch pgx.Batch
			for i := range n {
				batch.Queue(one+"($1,$2,$3,$4,$5,$6,$7,$8,$9)", values(next+int64(i))...)
			}
			return tx.SendBatch(b.Context(), &batch).Close()
		},
		"rows": func(tx pgx.Tx, n int) error {
			var text strings.Builder
			var args []any
			for i := range n {
				if text.WriteString(map[bool]string{true: one, false: ","}[i == 0] + "("); true {
					for k := range columns {
						fmt.Fprintf(&text, "%s$%d", map[bool]string{true: "", false: ","}[k == 0], len(args)+k+1)
					}
				}
				text.WriteString(")")
				args = append(args, values(next+int64(i))...)
			}
			_, err := tx.Exec(b.Context(), text.String(), args...)
			return err
		},
	}
	for _, n := range []int{1, 10, 20, 30, 50, 100, 1000} {
		for _, name := range []string{"pipeline", "rows", "copy"} {
			b.Run(fmt.Sprintf("batch=%d/%s", n, name), func(b *testing.B) {
				execute(b, conn, "TRUNCATE signals", "SET synchronous_commit TO off")
				for b.Loop() {
					tx, err := conn.Begin(b.Context())
					must(b, err)
					must(b, ways[name](tx, n))
					must(b, tx.Commit(b.Context()))
					next += int64(n)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/signal")
			})
		}
	}
}
