package harness

import (
	"flag"
	"strconv"
)

// programsAtOnce is how many tests of whole programs run at a time that say t.Parallel, on two
// processors: most of the time of each is spent waiting for a disk, a delay or another program.
const programsAtOnce = 4

// ManyAtOnce has more of the tests that say t.Parallel run at a time than there are processors.
// A TestMain calls it before m.Run. The flag -parallel says otherwise.
func ManyAtOnce() error {
	return flag.Set("test.parallel", strconv.Itoa(programsAtOnce))
}
