package main

import "sync"

type tree struct {
	left, right *tree
}

func newTree(depth uint64) *tree {
	if depth == 0 {
		return &tree{}
	}
	left, right := newTree(depth-1), newTree(depth-1)
	return &tree{left, right}
}

func (t *tree) count() uint64 {
	if t == nil {
		return 0
	}
	return 1 + t.left.count() + t.right.count()
}

func binaryTrees(max uint64) uint64 {
	checksum := newTree(max + 1).count()
	longLived := newTree(max)
	for depth := uint64(4); depth <= max; depth += 2 {
		trees, sum := uint64(1)<<(max-depth+4), uint64(0)
		for range trees {
			sum += newTree(depth).count()
		}
		checksum = mix(checksum, sum)
	}
	return mix(checksum, longLived.count())
}

func threads(max, count uint64) uint64 {
	sums := make([]uint64, count)
	var group sync.WaitGroup
	for i := range sums {
		group.Add(1)
		go func() {
			defer group.Done()
			sums[i] = binaryTrees(max)
		}()
	}
	group.Wait()
	checksum := uint64(0)
	for _, sum := range sums {
		checksum = mix(checksum, sum)
	}
	return checksum
}

type node struct {
	left, right *node
	i, j        uint64
}

func (n *node) populate(depth uint64) {
	if depth == 0 {
		return
	}
	n.left, n.right = &node{}, &node{}
	n.left.populate(depth - 1)
	n.right.populate(depth - 1)
}

func bottomUp(depth uint64) *node {
	if depth == 0 {
		return &node{}
	}
	left, right := bottomUp(depth-1), bottomUp(depth-1)
	return &node{left, right, 0, 0}
}

func (n *node) count() uint64 {
	if n == nil {
		return 0
	}
	return 1 + n.i + n.j + n.left.count() + n.right.count()
}

func (n *node) first() uint64 {
	if n.left == nil {
		return 1
	}
	return n.left.i + 1
}

func gcbench(max uint64) uint64 {
	bottomUp(max + 2)
	longLived := &node{}
	longLived.populate(max)
	array := make([]float64, 500000)
	for i := range array {
		array[i] = 1 / float64(i+1)
	}
	checksum := uint64(0)
	for depth := uint64(4); depth <= max; depth += 2 {
		trees, sum := uint64(1)<<(max-depth+4), uint64(0)
		for range trees / 2 {
			top := &node{}
			top.populate(depth)
			sum += top.first()
		}
		for range trees / 2 {
			sum += bottomUp(depth).first()
		}
		checksum = mix(checksum, sum)
	}
	return mix(checksum, longLived.count()+uint64(array[1000]*1e9))
}

type valued struct {
	left, right  *valued
	value, depth uint64
}

func newValued(depth uint64, next *uint64) *valued {
	var left, right *valued
	if depth > 0 {
		left, right = newValued(depth-1, next), newValued(depth-1, next)
	}
	value := *next
	*next++
	return &valued{left, right, value, depth}
}

func (t *valued) sum() uint64 {
	sum := t.value ^ t.depth
	if t.left != nil {
		sum += t.left.sum()
	}
	if t.right != nil {
		sum += t.right.sum()
	}
	return sum
}

func traversal(depth, rounds uint64) uint64 {
	next, checksum := uint64(0), uint64(0)
	tree := newValued(depth, &next)
	for range rounds {
		checksum = (checksum<<1 | checksum>>63) + tree.sum()
	}
	return checksum
}
