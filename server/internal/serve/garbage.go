package serve

import "os"

// slackBytes is how much more garbage than the runtime would allow may pile up between two collections, and about how much more
// memory the server has for it.
const slackBytes = 32 << 20

// slack makes the collector run less often while little is kept: with a few MiB of events it would run at every few MiB of
// garbage, which is several times a second under load, and requests wait beside it. The slack counts as used, but nobody ever
// touches it, so it takes no memory itself. It makes no difference beside hundreds of MiB, and there is none where the
// environment tells the collector what to do. The caller keeps it alive.
func slack() []byte {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return nil
	}
	return make([]byte, slackBytes)
}
