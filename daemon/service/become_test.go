package service

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// descriptors are files as Store takes them.
func descriptors(files []*os.File) (list []Descriptor) {
	for _, f := range files {
		list = append(list, f)
	}
	return list
}

const stageVariable = "VTOKEN_TEST_STAGE"

// A program that takes the place of another has its id and its files, under their names.
func TestBecome(t *testing.T) {
	switch os.Getenv(stageVariable) {
	case "first":
		require.NoError(t, os.Setenv(stageVariable, "second"))
		var files []Named
		for _, name := range []string{"a", "b"} {
			f, err := os.Open(filepath.Join(os.Getenv("FOLDER"), name))
			require.NoError(t, err)
			files = append(files, Named{name, f})
		}
		other, err := os.Open(os.Getenv("FOLDER"))
		require.NoError(t, err)
		defer other.Close()
		require.NoError(t, Become(os.Args[0], os.Args, append(files, files[0])))
	case "second":
		got, err := Receive(Environment{Get: os.Getenv, Unset: os.Unsetenv})
		require.NoError(t, err)
		require.Empty(t, os.Getenv(numbersVariable))
		require.Equal(t, []string{"a", "b"}, got.Names())
		require.Len(t, got.files["a"], 2)
		text, err := io.ReadAll(got.Take("b")[0])
		require.NoError(t, err)
		os.Stdout.Write(append(text, '\n'))
		got.Close()
	default:
		dir := t.TempDir()
		for _, name := range []string{"a", "b"} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("this is "+name), 0o600))
		}
		cmd := exec.Command(os.Args[0], "-test.run=^TestBecome$")
		cmd.Env = append(os.Environ(), stageVariable+"=first", "FOLDER="+dir)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "this is b")
	}
}

// Where there is no such program, the files stay as they were.
func TestBecomeNothing(t *testing.T) {
	f, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer f.Close()
	closed, err := os.Open(os.DevNull)
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	none := filepath.Join(t.TempDir(), "none")
	require.ErrorIs(t, Become(none, []string{none}, []Named{{"null", f}}), os.ErrNotExist)
	require.ErrorContains(t, Become("/bin/true", []string{"true"}, []Named{{"null", f}, {"closed", closed}}), "closed")
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0)
	require.NoError(t, err)
	require.NotZero(t, flags&unix.FD_CLOEXEC, "a child would inherit it")
}

func TestNumbersOf(t *testing.T) {
	for text, want := range map[string][]int{"": {3, 4}, "7,3": {7, 3}} {
		got, err := numbersOf(text, 2, 3)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"7", "7,8,9", "7,", "7,x", "2,7", "7,-1"} {
		_, err := numbersOf(text, 2, 3)
		require.Error(t, err, text)
	}
}
