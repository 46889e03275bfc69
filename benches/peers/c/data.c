/* Growing hash tables, strings, arrays with random stores. */
#include "peers.h"

typedef struct Entry {
    uint64_t key, value;
} Entry;

typedef struct Table {
    uint64_t len;
    Entry **slots;
} Table;

static Table table_make(uint64_t len) {
    Table table = {len, make(len * sizeof *table.slots)};
    memset(table.slots, 0, len * sizeof *table.slots);
    return table;
}

static Entry **table_find(Table table, uint64_t key) {
    uint64_t mask = table.len - 1, index = (key * 0x9e3779b97f4a7c15u >> 20) & mask;
    while (table.slots[index] && table.slots[index]->key != key) index = (index + 1) & mask;
    return &table.slots[index];
}

static Table table_grow(Table old) {
    Table table = table_make(old.len * 2);
    for (uint64_t i = 0; i < old.len; i++)
        if (old.slots[i]) *table_find(table, old.slots[i]->key) = old.slots[i];
    drop(old.slots);
    return table;
}

static uint64_t table_round(uint64_t entries) {
    Table table = table_make(16);
    uint64_t sum = 0;
    for (uint64_t key = 0; key < entries; key++) {
        if ((key + 1) * 4 > table.len * 3) table = table_grow(table);
        Entry *entry = make_data(sizeof *entry);
        *entry = (Entry){key, key * 3};
        *table_find(table, key) = entry;
    }
    for (uint64_t key = 0; key < entries; key++) sum += (*table_find(table, key))->value;
    for (uint64_t i = 0; i < table.len; i++) drop(table.slots[i]);
    drop(table.slots);
    return sum;
}

uint64_t tables(uint64_t entries, uint64_t rounds) {
    uint64_t sum = 0;
    for (uint64_t round = 0; round < rounds; round++) sum += table_round(entries);
    return sum;
}

typedef struct String {
    uint64_t len;
    char text[];
} String;

enum { LONGEST = 96 };

static String *string_make(const char *text, uint64_t len) {
    String *string = make_data(sizeof *string + len);
    string->len = len;
    memcpy(string->text, text, len);
    return string;
}

static uint64_t put_decimal(char *buffer, uint64_t at, uint64_t number) {
    char digits[20];
    unsigned first = sizeof digits;
    do {
        digits[--first] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    memcpy(buffer + at, digits + first, sizeof digits - first);
    return at + sizeof digits - first;
}

uint64_t strings(uint64_t live, uint64_t operations) {
    String **table = make(live * sizeof *table);
    for (uint64_t i = 0; i < live; i++) table[i] = string_make("", 0);
    uint64_t random = RANDOM_SEED, checksum = 0;
    for (uint64_t done = 0; done < operations; done++) {
        String **place = &table[random_below(&random, live)], *old = *place;
        char buffer[LONGEST];
        uint64_t kept = old->len > LONGEST - 20 ? 0 : old->len;
        memcpy(buffer, old->text, kept);
        *place = string_make(buffer, put_decimal(buffer, kept, done));
        drop(old);
    }
    for (uint64_t i = 0; i < live; i++) {
        uint64_t sum = 0;
        for (uint64_t j = 0; j < table[i]->len; j++) sum = sum * 31 + (uint8_t)table[i]->text[j] % 31;
        checksum = mix(checksum, sum);
    }
    return checksum;
}

typedef struct Pair {
    uint64_t first, second;
} Pair;

uint64_t arrays(uint64_t length, uint64_t stores) {
    Pair **array = make(length * sizeof *array);
    memset(array, 0, length * sizeof *array);
    uint64_t random = RANDOM_SEED, checksum = 0;
    for (uint64_t done = 0; done < stores; done++) {
        Pair **place = &array[random_below(&random, length)];
        Pair *pair = make_data(sizeof *pair);
        *pair = (Pair){done, 1};
        drop(*place);
        *place = pair;
    }
    for (uint64_t i = 0; i < length; i++)
        checksum = mix(checksum, array[i] ? array[i]->first + array[i]->second : 0);
    return checksum;
}
