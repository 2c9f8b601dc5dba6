package trend

import "math"

// tTest is the two-sided p-value of Student's t-test, with one variance for
// both, that two samples have one mean. It is 1 for one value a side: they say
// nothing about their spread.
func tTest(a, b []float64) float64 {
	meanA, squaresA := moments(a)
	meanB, squaresB := moments(b)
	m, n := float64(len(a)), float64(len(b))
	freedom := m + n - 2
	apart := meanA - meanB
	variance := (squaresA + squaresB) / freedom * (1/m + 1/n)
	switch {
	case apart == 0 || freedom == 0:
		return 1
	case variance == 0:
		return 0
	}
	t2 := apart * apart / variance
	return incompleteBeta(freedom/2, 0.5, freedom/(freedom+t2))
}

// moments are the mean and the sum of squared deviations from it.
func moments(values []float64) (mean, squares float64) {
	for _, v := range values {
		mean += v
	}
	mean /= float64(len(values))
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	return mean, squares
}

// incompleteBeta is the regularised incomplete beta function I_x(a, b), by its
// continued fraction (DLMF 8.17.22), which converges fast below the mean of the
// distribution; above it, by the other tail.
func incompleteBeta(a, b, x float64) float64 {
	switch {
	case x <= 0:
		return 0
	case x >= 1:
		return 1
	case x > (a+1)/(a+b+2):
		return 1 - incompleteBeta(b, a, 1-x)
	}
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	front := math.Exp(lab-la-lb+a*math.Log(x)+b*math.Log1p(-x)) / a
	return front / betaFraction(a, b, x)
}

// betaFraction evaluates the continued fraction 1 + d1/(1 + d2/(1 + …)) from its
// far end, where what is left out no longer counts.
func betaFraction(a, b, x float64) float64 {
	const terms = 200
	value := 1.0
	for i := terms; i > 0; i-- {
		k := float64(i / 2)
		d := k * (b - k) * x / ((a + 2*k - 1) * (a + 2*k))
		if i%2 == 1 {
			d = -(a + k) * (a + b + k) * x / ((a + 2*k) * (a + 2*k + 1))
		}
		value = 1 + d/value
	}
	return value
}
