package main

import (
	"log"
	"math"
	"slices"
	"time"
)

const (
	warmUp = 20_000
	rounds = 25
	// Long enough for a round to bear its share of the garbage collector's work.
	calls = 5_000
)

// nanoseconds puts down what a call takes: the best of the rounds, as the benchmark of codecs/ counts, and their median.
func nanoseconds(figures map[string]float64, name string, call func() error) {
	round(call, warmUp)
	var each []float64
	for range rounds {
		each = append(each, round(call, calls))
	}
	slices.Sort(each)
	figures[name+"_ns"] = math.Round(each[0]*10) / 10
	figures[name+"_median_ns"] = math.Round(each[rounds/2]*10) / 10
}

func round(call func() error, calls int) float64 {
	start := time.Now()
	for range calls {
		if err := call(); err != nil {
			log.Fatal("what worked once does not any more: ", err)
		}
	}
	return float64(time.Since(start).Nanoseconds()) / float64(calls)
}
