package telemetry

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/ephemera-go/ephemera/snapshot"
)

// Spans returns an Observer that makes a span of each operation on snapshots: snapshot.save, snapshot.prune and
// snapshot.restore, with the attributes that the operation reports under the prefix snapshot. and, if it failed, the
// error.
func Spans(tracer trace.Tracer) snapshot.Observer { return spans{tracer} }

type spans struct{ tracer trace.Tracer }

func (s spans) Start(ctx context.Context, operation string) (context.Context, func(error, ...slog.Attr)) {
	ctx, span := s.tracer.Start(ctx, operation)
	return ctx, func(err error, attributes ...slog.Attr) {
		for _, a := range attributes {
			span.SetAttributes(convert(a))
		}
		if err != nil {
			span.RecordError(err)
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}

func convert(a slog.Attr) attribute.KeyValue {
	key := "snapshot." + a.Key
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindInt64:
		return attribute.Int64(key, v.Int64())
	case slog.KindUint64:
		return attribute.Int64(key, count(v.Uint64()))
	case slog.KindFloat64:
		return attribute.Float64(key, v.Float64())
	case slog.KindBool:
		return attribute.Bool(key, v.Bool())
	default:
		return attribute.String(key, v.String())
	}
}
