package result

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// FileName is what a result is called in its run's folder.
const FileName = "result.json"

// Write puts a result into a file, all of it or nothing: it writes a temporary
// file beside it, syncs that to disk and renames it. A file that was there
// stays whole if anything fails. Missing folders are made.
func Write(path string, r *Result) error {
	b, err := Encode(r)
	if err != nil {
		return fmt.Errorf("write result %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	if err := Replace(path, b); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// Encode is a result as a file holds it: indented JSON with a final newline.
// The schema version and kind are set; absent lists become empty ones.
func Encode(r *Result) ([]byte, error) {
	whole := *r
	whole.SchemaVersion, whole.Kind = SchemaVersion, kind
	present(&whole.Environment.Factors)
	present(&whole.Environment.Detail)
	present(&whole.Metrics)
	presentList(&whole.Scenario.Require)
	presentList(&whole.Scenario.Allow)
	presentList(&whole.Times.Phases)
	presentList(&whole.Verdict.Reasons)
	presentList(&whole.Verdict.Guards)
	presentList(&whole.Failures)
	presentList(&whole.Histograms)
	presentList(&whole.Series.Columns)
	presentList(&whole.Series.Rows)
	presentList(&whole.Warnings)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(whole); err != nil {
		return nil, fmt.Errorf("encode result: %w", err)
	}
	return b.Bytes(), nil
}

// kind tells a run's file from an experiment's.
const kind = "run"

// present makes a map that is nil an empty one, which JSON tells from null.
func present[V any](m *map[string]V) {
	if *m == nil {
		*m = map[string]V{}
	}
}

// presentList makes a list that is nil an empty one.
func presentList[V any](list *[]V) {
	if *list == nil {
		*list = []V{}
	}
}

// Replace exchanges a file's content, which must be in a folder that exists. It
// is the old content or the new one whatever happens meanwhile, and lasts once
// Replace has returned.
func Replace(path string, content []byte) error {
	draft, err := NewDraft(path)
	if err != nil {
		return err
	}
	if _, err := draft.Write(content); err != nil {
		draft.Discard()
		return err
	}
	return draft.Keep()
}

// A Draft is a file's new content on its way: a temporary file beside it, until
// Keep.
type Draft struct {
	tmp  *os.File
	path string
}

// NewDraft begins a file's new content. The folder must exist.
func NewDraft(path string) (*Draft, error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".result-*.tmp")
	if err != nil {
		return nil, err
	}
	return &Draft{tmp, path}, nil
}

// Write adds to the content.
func (d *Draft) Write(b []byte) (int, error) { return d.tmp.Write(b) }

// Keep gives the file its new content, once that is on the disk. If it fails,
// the file is as it was and the draft is gone.
func (d *Draft) Keep() error {
	err := errors.Join(d.tmp.Chmod(0o644), d.tmp.Sync())
	if err == nil {
		err = d.tmp.Close()
	}
	if err == nil {
		err = os.Rename(d.tmp.Name(), d.path)
	}
	if err != nil {
		d.Discard()
		return err
	}
	return syncFolder(filepath.Dir(d.path))
}

// Discard leaves the file as it was.
func (d *Draft) Discard() {
	_ = d.tmp.Close()
	_ = os.Remove(d.tmp.Name())
}

// syncFolder makes a rename last: the name is the folder's content.
func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Read reads a result file, or the result in a run's folder. Older schema
// versions are upgraded; a newer one, another kind of file and a file that is
// cut short are refused.
func Read(path string) (*Result, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, FileName)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read result: %w", err)
	}
	r, err := Decode(b)
	if err != nil {
		return nil, fmt.Errorf("read result %s: %w", path, err)
	}
	return r, nil
}

// Decode reads what [Encode] wrote, of this schema version or an older one.
func Decode(b []byte) (*Result, error) {
	b, err := Upgraded(b)
	if err != nil {
		return nil, err
	}
	var r Result
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, Broken(err, len(b))
	}
	return &r, nil
}

// Upgraded is a result's document in this schema version, which a document of
// this version is already.
func Upgraded(b []byte) ([]byte, error) {
	var head struct {
		SchemaVersion *int   `json:"schema_version"`
		Kind          string `json:"kind"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, Broken(err, len(b))
	}
	switch {
	case head.SchemaVersion == nil || *head.SchemaVersion < 1:
		return nil, errors.New("no schema_version: not a result of this program")
	case *head.SchemaVersion > SchemaVersion:
		return nil, fmt.Errorf("schema version %d is newer than %d, the newest that this program knows; use a newer program",
			*head.SchemaVersion, SchemaVersion)
	case head.Kind != kind:
		return nil, fmt.Errorf("kind %q: want a result of kind %q", head.Kind, kind)
	}
	return upgrade(b, *head.SchemaVersion, steps[:])
}

// Broken says where a document of so many bytes stops making sense, for an error
// of encoding/json.
func Broken(err error, size int) error {
	var syntax *json.SyntaxError
	var mismatch *json.UnmarshalTypeError
	switch {
	case size == 0:
		return errors.New("the file is empty")
	// The end is reported as such, or as the blank that the decoder puts there
	// when it is inside a literal or a number.
	case errors.As(err, &syntax) && (syntax.Error() == "unexpected end of JSON input" ||
		syntax.Offset == int64(size) && strings.HasPrefix(syntax.Error(), "invalid character ' ' ")):
		return fmt.Errorf("cut short after byte %d: %w", size, io.ErrUnexpectedEOF)
	case errors.As(err, &syntax):
		return fmt.Errorf("broken at byte %d: %w", syntax.Offset, err)
	case errors.As(err, &mismatch):
		return fmt.Errorf("unexpected value at byte %d: %w", mismatch.Offset, err)
	default:
		return err
	}
}
