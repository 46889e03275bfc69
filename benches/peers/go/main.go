// The workloads in Go.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	size := func(index int) uint64 {
		value, err := strconv.ParseUint(os.Args[2+index], 10, 64)
		if err != nil {
			panic(err)
		}
		return value
	}
	var checksum uint64
	switch os.Args[1] {
	case "binary-trees":
		checksum = binaryTrees(size(0))
	case "gcbench":
		checksum = gcbench(size(0))
	case "threads":
		checksum = threads(size(0), size(1))
	case "churn":
		checksum = churn(size(0), size(1))
	case "graph":
		checksum = graph(size(0), size(1))
	case "rings":
		checksum = rings(size(0), size(1))
	case "traversal":
		checksum = traversal(size(0), size(1))
	case "latency":
		checksum = latency(size(0), size(1))
	case "mark-ordered":
		checksum = markOrdered(size(0))
	case "mark-shuffled":
		checksum = markShuffled(size(0))
	case "tables":
		checksum = tables(size(0), size(1))
	case "strings":
		checksum = growingStrings(size(0), size(1))
	case "arrays":
		checksum = arrays(size(0), size(1))
	default:
		os.Exit(3)
	}
	fmt.Println("checksum", checksum)
	printStats()
}

// The longest stop is the upper bound of the runtime's histogram bucket.
func printStats() {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	fmt.Println("cycles", stats.NumGC)
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		if rest, found := strings.CutPrefix(line, "VmHWM:"); found {
			fmt.Println("peak_rss_kib", strings.Fields(rest)[0])
		}
	}
	longest := uint64(0)
	for _, pause := range stats.PauseNs {
		longest = max(longest, pause)
	}
	fmt.Printf("longest_stop_us %.1f\n", float64(longest)/1e3)
}

type random uint64

const seed random = 0x9e3779b97f4a7c15

func (r *random) next() uint64 {
	*r ^= *r << 13
	*r ^= *r >> 7
	*r ^= *r << 17
	return uint64(*r)
}

func (r *random) below(limit uint64) uint64 {
	return (r.next() >> 32) * limit >> 32
}

func mix(checksum, value uint64) uint64 {
	return ((checksum<<5 | checksum>>59) ^ value) * 0x100000001b3
}

func clock(id uintptr) int64 {
	var ts syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, id, uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}

const (
	processClock = 2
	threadClock  = 3
)

func printLaps(clock string, laps []int64) {
	sort.Slice(laps, func(i, j int) bool { return laps[i] < laps[j] })
	at := func(part float64) float64 { return float64(laps[int(float64(len(laps)-1)*part)]) / 1e3 }
	fmt.Printf("%s_p50_us %.2f\n", clock, at(0.5))
	fmt.Printf("%s_p999_us %.2f\n", clock, at(0.999))
	fmt.Printf("%s_max_us %.2f\n", clock, at(1))
}

type liveTree struct {
	left, right *liveTree
	value, more uint64
}

func newLiveTree(depth uint64) *liveTree {
	if depth <= 1 {
		return &liveTree{nil, nil, depth, 1}
	}
	left, right := newLiveTree(depth-1), newLiveTree(depth-1)
	return &liveTree{left, right, depth, 1}
}

type cons struct {
	next  *cons
	value uint64
	more  [2]uint64
}

func latency(depth, batches uint64) uint64 {
	const window = 64
	runtime.LockOSThread()
	tree := newLiveTree(depth)
	var lists [window]*cons
	cpu, wall := make([]int64, batches), make([]int64, batches)
	sum := uint64(0)
	cpuLast, wallLast := clock(threadClock), time.Now()
	for batch := range batches {
		var head *cons
		for i := range uint64(1000) {
			head = &cons{head, batch + i, [2]uint64{i, 0}}
		}
		sum += head.value + head.more[0]
		lists[batch%window] = head
		cpuNow, wallNow := clock(threadClock), time.Now()
		cpu[batch], wall[batch] = cpuNow-cpuLast, wallNow.Sub(wallLast).Nanoseconds()
		cpuLast, wallLast = cpuNow, wallNow
	}
	printLaps("cpu", cpu)
	printLaps("wall", wall)
	return sum + tree.value
}

func timeCollections(objects uint64) {
	runtime.GC()
	cpu, wall := clock(processClock), time.Now()
	for range 5 {
		runtime.GC()
	}
	spent := float64(clock(processClock)-cpu) / 5
	fmt.Printf("collect_wall_ms %.1f\n", float64(time.Since(wall).Nanoseconds())/5e6)
	fmt.Printf("collect_cpu_ms %.1f\n", spent/1e6)
	fmt.Printf("mark_mobjects_per_s %.1f\n", float64(objects)*1e3/spent)
}

func markOrdered(depth uint64) uint64 {
	tree := newLiveTree(depth)
	timeCollections(1<<depth - 1)
	return tree.value + tree.more
}

func markShuffled(depth uint64) uint64 {
	tree := shuffledTree(1<<depth - 1)
	timeCollections(1<<depth - 1)
	return tree.value + tree.more
}

func shuffledTree(count uint64) *liveTree {
	nodes, order := make([]*liveTree, count), make([]uint32, count)
	for i := range nodes {
		nodes[i] = &liveTree{nil, nil, uint64(i), 1}
		order[i] = uint32(i)
	}
	r := seed
	for i := count - 1; i > 0; i-- {
		j := r.below(i + 1)
		order[i], order[j] = order[j], order[i]
	}
	for i := range count {
		node := nodes[order[i]]
		if 2*i+1 < count {
			node.left = nodes[order[2*i+1]]
		}
		if 2*i+2 < count {
			node.right = nodes[order[2*i+2]]
		}
	}
	return nodes[order[0]]
}
