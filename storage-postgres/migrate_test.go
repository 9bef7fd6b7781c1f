package pgstore_test

import (
	"errors"
	"math"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	pgstore "github.com/ephemera-go/ephemera/storage-postgres"
)

// fixtureSignals are what testdata/version1.sql holds, of which the first is trimmed.
var fixtureSignals = []sinks.Signal{
	{Sequence: 1, Time: time.Unix(0, 0).UTC(), Name: "trimmed"},
	{Sequence: 2, Time: time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC), Name: "first", Key: "k", Operation: math.MaxUint64},
	{Sequence: 7, Time: time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC), Name: "l'ast \\ \"é\"", Path: []string{"a,b", "{\"", "NULL"}, Data: []byte{0, 0xff, '\\'}},
}

// loadFixture makes a schema as version 1 left it.
func loadFixture(t *testing.T) (place_ string) {
	t.Helper()
	dump, err := os.ReadFile("testdata/version1.sql")
	must(t, err)
	place_ = place(t)
	execute(t, raw(t, place_), strings.ReplaceAll(string(dump), "fixture_v1", schemaOf(t, place_)))
	return place_
}

func wantFixture(t *testing.T, place string) {
	t.Helper()
	s, b := openSignals(t, place, nil), openBlobs(t, place, nil)
	wantLog(t, s, fixtureSignals[1:])
	must(t, errors.Join(sinks.Verify(t.Context(), s), sinks.Verify(t.Context(), b)))
	list, err := b.List(t.Context(), "", "", 0)
	if err != nil || len(list) != 2 || list[0] != (sinks.Blob{Name: "a/b", Size: 5}) || list[1] != (sinks.Blob{Name: "empty"}) {
		t.Errorf("blobs %v, %v", list, err)
	}
	must(t, s.Append(t.Context(), fixtureSignals)) // known, trimmed or not
	must(t, s.Append(t.Context(), series(8, 9)))
	generation, err := sinks.Acquire(t.Context(), s, sinks.Claim{Owner: "now"})
	if err != nil || generation != 2 {
		t.Errorf("generation %d, %v", generation, err)
	}
	execute(t, raw(t, place), "DELETE FROM signals WHERE sequence = 2") // the trigger works
	stat, err := s.Stat(t.Context())
	if err != nil || stat.Count != 3 || stat.First != 7 || stat.Last != 9 {
		t.Errorf("%+v, %v", stat, err)
	}
	closeAll(t, s, b)
}

func TestVersion1(t *testing.T) { wantFixture(t, loadFixture(t)) }

// TestMigrateForward: an older schema is led to the newest version, once, by whoever opens it first.
func TestMigrateForward(t *testing.T) {
	place := loadFixture(t)
	pgstore.AddMigration(t, "ALTER TABLE signals ADD COLUMN note text; CREATE TABLE notes (id bigint);")
	if _, err := pgstore.OpenSignals(t.Context(), place, &pgstore.Options{ReadOnly: true}); !errors.Is(err, sinks.ErrReadOnly) {
		t.Errorf("an older schema, read-only: %v", err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			s, err := pgstore.OpenSignals(t.Context(), place, nil)
			if err == nil {
				err = s.Close()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := value[int](t, raw(t, place), "SELECT count(*) FROM schema_versions"); n != 2 {
		t.Errorf("%d versions", n)
	}
	wantFixture(t, place)
	closeAll(t, openSignals(t, place, &pgstore.Options{ReadOnly: true}))
}

// TestFailedMigration leaves the schema as it was.
func TestFailedMigration(t *testing.T) {
	place := loadFixture(t)
	t.Run("broken", func(t *testing.T) {
		pgstore.AddMigration(t, "CREATE TABLE notes (id bigint); SELECT 1/0;")
		if _, err := pgstore.OpenBlobs(t.Context(), place, nil); err == nil || !strings.Contains(err.Error(), "migration 2") {
			t.Error(err)
		}
	})
	wantFixture(t, place)
}
