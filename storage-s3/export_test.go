package s3store

import (
	"time"

	"github.com/minio/minio-go/v7"
)

// Faults should not take longer than they need.
func init() {
	firstPause = time.Millisecond
	minio.DefaultRetryUnit = time.Millisecond
}
