package result

import (
	"encoding/json"
	"fmt"
)

// step turns a document of one schema version into the next one's.
type step func(document map[string]any) error

// steps are the upgrades in order: steps[0] leads from version 1 to 2. There is
// one less than there are versions.
var steps [SchemaVersion - 1]step

// upgrade applies the steps that lead from a version to the newest.
func upgrade(b []byte, version int, steps []step) ([]byte, error) {
	if version > len(steps) {
		return b, nil
	}
	var document map[string]any
	if err := json.Unmarshal(b, &document); err != nil {
		return nil, err
	}
	for _, step := range steps[version-1:] {
		if err := step(document); err != nil {
			return nil, fmt.Errorf("upgrade from schema version %d: %w", version, err)
		}
		version++
	}
	document["schema_version"] = version
	return json.Marshal(document)
}
