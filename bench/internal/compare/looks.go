package compare

// Looks are the numbers of counted pairs at which a comparison may end. They
// are fixed before the first trial: whoever looks after every pair and stops
// when they like what they see will find a change sooner or later.
type Looks struct {
	Pairs []int
	// Alpha is the level of each look, see [Rules].
	Alpha float64
}

// Fixed is one look.
func Fixed(pairs int) Looks { return Looks{[]int{pairs}, 0.05} }

// Sequential is two looks, the second only if the first leaves the question
// open. Each has the level at which both together keep 0.05 (Pocock, Group
// sequential methods in the design and analysis of clinical trials, 1977).
func Sequential() Looks { return Looks{[]int{8, 16}, 0.029} }

// Next is the number of pairs to go on to after a look at so many with this
// verdict; false if that was the end.
func (l Looks) Next(pairs int, v Verdict) (next int, more bool) {
	for _, next := range l.Pairs {
		if next > pairs && v == Inconclusive {
			return next, true
		}
	}
	return pairs, false
}
