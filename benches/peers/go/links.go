package main

import "strconv"

type item struct {
	value uint64
	next  *item
}

func churn(live, operations uint64) uint64 {
	oldest := &item{}
	newest, sum := oldest, uint64(0)
	for value := uint64(1); value < live+operations; value++ {
		newest.next = &item{value, nil}
		newest = newest.next
		if value >= live {
			sum += oldest.value
			oldest = oldest.next
		}
	}
	return sum
}

type vertex struct {
	id    uint64
	edges [4]*vertex
}

func graph(nodes, stores uint64) uint64 {
	table := make([]*vertex, nodes)
	for id := range table {
		table[id] = &vertex{id: uint64(id)}
	}
	r := seed
	for done := range stores {
		from := r.below(nodes)
		if done%10 == 9 {
			old := table[from]
			table[from] = &vertex{old.id + nodes, old.edges}
		} else {
			table[from].edges[done&3] = table[r.below(nodes)]
		}
	}
	checksum := uint64(0)
	for _, from := range table {
		sum := from.id
		for _, to := range from.edges {
			if to != nil {
				sum += to.id
			}
		}
		checksum = mix(checksum, sum)
	}
	return checksum
}

type bead struct {
	value          uint64
	next, previous *bead
}

func newRing(length, value uint64) *bead {
	first := &bead{value, nil, nil}
	last := first
	for i := uint64(1); i < length; i++ {
		last.next = &bead{value + i, nil, last}
		last = last.next
	}
	last.next = first
	first.previous = last
	return first
}

func rings(count, length uint64) uint64 {
	sum := uint64(0)
	for done := range count {
		first := newRing(length, done)
		sum += first.value
		for bead := first.next; bead != first; bead = bead.next {
			sum += bead.value
		}
	}
	return sum
}

type entry struct {
	key, value uint64
}

func find(slots []*entry, key uint64) **entry {
	mask := uint64(len(slots) - 1)
	index := key * 0x9e3779b97f4a7c15 >> 20 & mask
	for slots[index] != nil && slots[index].key != key {
		index = (index + 1) & mask
	}
	return &slots[index]
}

func table(entries uint64) uint64 {
	slots := make([]*entry, 16)
	for key := range entries {
		if (key+1)*4 > uint64(len(slots))*3 {
			old := slots
			slots = make([]*entry, 2*len(old))
			for _, entry := range old {
				if entry != nil {
					*find(slots, entry.key) = entry
				}
			}
		}
		*find(slots, key) = &entry{key, key * 3}
	}
	sum := uint64(0)
	for key := range entries {
		sum += (*find(slots, key)).value
	}
	return sum
}

func tables(entries, rounds uint64) uint64 {
	sum := uint64(0)
	for range rounds {
		sum += table(entries)
	}
	return sum
}

const longest = 96

func growingStrings(live, operations uint64) uint64 {
	table := make([]string, live)
	r := seed
	var buffer [longest]byte
	for done := range operations {
		place := r.below(live)
		text := buffer[:0]
		if old := table[place]; len(old) <= longest-20 {
			text = append(text, old...)
		}
		table[place] = string(strconv.AppendUint(text, done, 10))
	}
	checksum := uint64(0)
	for _, text := range table {
		sum := uint64(0)
		for i := range len(text) {
			sum = sum*31 + uint64(text[i])%31
		}
		checksum = mix(checksum, sum)
	}
	return checksum
}

type pair [2]uint64

func arrays(length, stores uint64) uint64 {
	array := make([]*pair, length)
	r := seed
	for done := range stores {
		array[r.below(length)] = &pair{done, 1}
	}
	checksum := uint64(0)
	for _, pair := range array {
		value := uint64(0)
		if pair != nil {
			value = pair[0] + pair[1]
		}
		checksum = mix(checksum, value)
	}
	return checksum
}
