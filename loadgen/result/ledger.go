package result

import "reflect"

// Entry returns the ledger's count of that name, which is the one that the file
// gives it: lost, measured_sent.
func (l Ledger) Entry(name string) (count uint64, known bool) {
	v := reflect.ValueOf(l)
	for i := range v.NumField() {
		if n, isCount := v.Field(i).Interface().(uint64); isCount && v.Type().Field(i).Tag.Get("json") == name {
			return n, true
		}
	}
	return 0, false
}
